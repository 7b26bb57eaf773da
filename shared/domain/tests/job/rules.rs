//! The rules one by one.

use super::{LATER, NOW, after, agent, claimed, complete, holder, new_job, running};
use domain::job::{JobEvent, JobState, Loss, MAX_LOSSES, Transition, TransitionError, transition};
use domain::timing::START_WITHIN_SECONDS;
use wire::JobStatus;

#[test]
fn a_repeated_request_is_answered_as_done() {
    let job = running(3);
    let start = JobEvent::Start {
        agent_id: agent(1),
        attempt: 1,
    };
    assert_eq!(transition(&job, &start, NOW), Ok(Transition::AlreadyDone));
    for code in [0, 1] {
        let report = complete(1, 1, code, None);
        let ended = after(&job, &report, NOW);
        assert_eq!(
            transition(&ended, &report, NOW),
            Ok(Transition::AlreadyDone)
        );
    }
}

#[test]
fn a_late_result_counts_until_the_next_attempt_is_claimed() {
    let lost = after(
        &running(3),
        &JobEvent::Lose {
            attempt: 1,
            loss: Loss::Agent,
        },
        NOW,
    );
    assert_eq!(lost.status(), JobStatus::Queued);
    let report = complete(1, 1, 0, None);
    assert_eq!(after(&lost, &report, NOW).status(), JobStatus::Completed);
    let claimed_again = after(&lost, &JobEvent::Claim { holder: holder(2) }, NOW);
    assert_eq!(
        transition(&claimed_again, &report, NOW),
        Err(TransitionError::Stale)
    );
}

#[test]
fn a_late_report_after_a_time_out_counts_the_attempt_once() {
    let late = NOW.plus_seconds(LATER);
    let timed_out = after(&running(2), &JobEvent::TimeOut { attempt: 1 }, late);
    assert_eq!(
        (timed_out.status(), timed_out.failures),
        (JobStatus::Queued, 1)
    );
    let reported = after(&timed_out, &complete(1, 1, 1, None), late);
    assert_eq!(
        (reported.status(), reported.failures),
        (JobStatus::Queued, 1)
    );
}

#[test]
fn a_requeued_job_keeps_its_priority_and_place() {
    let job = running(3);
    let lost = after(
        &job,
        &JobEvent::Lose {
            attempt: 1,
            loss: Loss::Agent,
        },
        NOW.plus_seconds(90),
    );
    assert_eq!(lost.state, JobState::Queued);
    assert_eq!(
        (lost.priority, lost.available_at),
        (job.priority, job.available_at)
    );
}

#[test]
fn back_off_doubles_up_to_five_minutes() {
    let waits: Vec<_> = (1..9).map(domain::job::back_off_seconds).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    let failed = after(&running(3), &complete(1, 1, 1, None), NOW);
    assert_eq!(failed.available_at, NOW.plus_seconds(5));
    let claim = JobEvent::Claim { holder: holder(1) };
    assert_eq!(
        transition(&failed, &claim, NOW),
        Err(TransitionError::TooEarly)
    );
}

#[test]
fn losses_and_failures_have_budgets_of_their_own() {
    let mut job = new_job(2);
    for losses in 1..MAX_LOSSES {
        job = after(
            &job,
            &JobEvent::Claim { holder: holder(1) },
            NOW.plus_seconds(LATER),
        );
        job = after(
            &job,
            &JobEvent::Lose {
                attempt: losses,
                loss: Loss::Agent,
            },
            NOW,
        );
        assert_eq!((job.failures, job.losses), (0, losses));
    }
    job = after(
        &job,
        &JobEvent::Claim { holder: holder(1) },
        NOW.plus_seconds(LATER),
    );
    job = after(&job, &complete(1, job.attempt, 1, None), NOW);
    assert_eq!((job.status(), job.failures), (JobStatus::Queued, 1));
}

#[test]
fn deadlines_are_not_enforced_early() {
    let job = claimed(3);
    let lose = JobEvent::Lose {
        attempt: 1,
        loss: Loss::Start,
    };
    let early = NOW.plus_seconds(START_WITHIN_SECONDS).plus_millis(-1);
    assert_eq!(
        transition(&job, &lose, early),
        Err(TransitionError::TooEarly)
    );
    assert!(transition(&job, &lose, NOW.plus_seconds(START_WITHIN_SECONDS)).is_ok());
    let time_out = JobEvent::TimeOut { attempt: 1 };
    let early = NOW.plus_seconds(60 + 30).plus_millis(-1);
    assert_eq!(
        transition(&running(3), &time_out, early),
        Err(TransitionError::TooEarly)
    );
}
