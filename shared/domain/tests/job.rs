//! The job's state machine: every state against every event in one table, the diagram made of it, and what holds for
//! any sequence of events.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use domain::job::{
    Holder, Job, JobEvent, JobSpec, JobState, Loss, MAX_LOSSES, Transition, TransitionError,
    transition,
};
use domain::timing::START_WITHIN_SECONDS;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use wire::{AgentId, Cause, JobId, JobStatus, Priority, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LATER: i64 = 100_000;

fn agent(number: u8) -> AgentId {
    AgentId::from_digest([number; 16])
}

fn holder(number: u8) -> Holder {
    Holder {
        agent_id: agent(number),
        epoch: 1,
    }
}

fn new_job(max_attempts: u32) -> Job {
    let spec = JobSpec {
        job_type: "build".parse().unwrap(),
        pool_name: "default".parse().unwrap(),
        git_repo: "https://example.com/shop.git".parse().unwrap(),
        git_ref: None,
        git_commit_sha: "0123456789012345678901234567890123456789".parse().unwrap(),
        git_author: None,
        tags: wire::Tags::default(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts,
    };
    Job::enqueue(
        JobId::from_digest([1; 16]),
        spec,
        Priority::Normal,
        "test".to_owned(),
        NOW,
    )
}

fn complete(number: u8, attempt: u32, exit_code: i32, cause: Option<Cause>) -> JobEvent {
    JobEvent::Complete {
        agent_id: agent(number),
        attempt,
        exit_code,
        duration_seconds: 1.0,
        cause,
        logs_url: None,
    }
}

fn after(job: &Job, event: &JobEvent, now: Timestamp) -> Job {
    match transition(job, event, now).unwrap() {
        Transition::Apply(change) => change.into_after(),
        Transition::AlreadyDone => job.clone(),
    }
}

fn claimed(max_attempts: u32) -> Job {
    after(
        &new_job(max_attempts),
        &JobEvent::Claim { holder: holder(1) },
        NOW,
    )
}

fn running(max_attempts: u32) -> Job {
    after(
        &claimed(max_attempts),
        &JobEvent::Start {
            agent_id: agent(1),
            attempt: 1,
        },
        NOW,
    )
}

/// Each status, in each variety that decides differently.
fn states() -> Vec<(&'static str, Job)> {
    let lose = JobEvent::Lose {
        attempt: 1,
        loss: Loss::Agent,
    };
    let fail = complete(1, 1, 1, None);
    let mut one_loss_left = running(3);
    one_loss_left.losses = MAX_LOSSES - 1;
    let dead_by_loss = after(&one_loss_left, &lose, NOW);
    vec![
        ("QUEUED", new_job(3)),
        ("QUEUED after a failure", after(&running(3), &fail, NOW)),
        ("QUEUED after a loss", after(&running(3), &lose, NOW)),
        ("CLAIMED", claimed(3)),
        (
            "CLAIMED, cancel requested",
            after(&claimed(3), &JobEvent::Cancel, NOW),
        ),
        ("RUNNING", running(3)),
        ("RUNNING, only attempt", running(1)),
        ("RUNNING, last loss", one_loss_left),
        (
            "RUNNING, cancel requested",
            after(&running(3), &JobEvent::Cancel, NOW),
        ),
        (
            "COMPLETED",
            after(&running(3), &complete(1, 1, 0, None), NOW),
        ),
        ("FAILED", after(&running(1), &fail, NOW)),
        ("DEAD_LETTERED by losses", dead_by_loss),
        ("CANCELLED", after(&new_job(3), &JobEvent::Cancel, NOW)),
    ]
}

/// Each event, in each variety that decides differently. The last column of the diagram's arrows is the name.
fn events() -> Vec<(&'static str, JobEvent)> {
    vec![
        ("claim", JobEvent::Claim { holder: holder(2) }),
        (
            "start",
            JobEvent::Start {
                agent_id: agent(1),
                attempt: 1,
            },
        ),
        (
            "start by another agent",
            JobEvent::Start {
                agent_id: agent(2),
                attempt: 1,
            },
        ),
        (
            "start of a stale attempt",
            JobEvent::Start {
                agent_id: agent(1),
                attempt: 0,
            },
        ),
        ("complete, exit code 0", complete(1, 1, 0, None)),
        ("complete, exit code 1", complete(1, 1, 1, None)),
        (
            "complete, given up",
            complete(1, 1, 1, Some(Cause::AgentLost)),
        ),
        (
            "complete, cancelled",
            complete(1, 1, 1, Some(Cause::Cancelled)),
        ),
        ("complete by another agent", complete(2, 1, 0, None)),
        ("complete of a stale attempt", complete(1, 0, 0, None)),
        (
            "lose the agent",
            JobEvent::Lose {
                attempt: 1,
                loss: Loss::Agent,
            },
        ),
        (
            "lose, not started",
            JobEvent::Lose {
                attempt: 1,
                loss: Loss::Start,
            },
        ),
        (
            "lose a stale attempt",
            JobEvent::Lose {
                attempt: 0,
                loss: Loss::Agent,
            },
        ),
        ("time out", JobEvent::TimeOut { attempt: 1 }),
        ("cancel", JobEvent::Cancel),
        (
            "reprioritise",
            JobEvent::Reprioritise {
                priority: Priority::High,
            },
        ),
        ("retry", JobEvent::Retry),
        (
            "close by hand, succeeded",
            JobEvent::CloseByHand { succeeded: true },
        ),
        (
            "close by hand, failed",
            JobEvent::CloseByHand { succeeded: false },
        ),
    ]
}

fn outcome(job: &Job, event: &JobEvent) -> String {
    match transition(job, event, NOW.plus_seconds(LATER)) {
        Ok(Transition::AlreadyDone) => "already done".to_owned(),
        Err(TransitionError::Stale) => "- stale".to_owned(),
        Err(TransitionError::Illegal(_)) => "- illegal".to_owned(),
        Err(TransitionError::TooEarly) => "- too early".to_owned(),
        Ok(Transition::Apply(change)) => {
            let (before, after) = (change.before(), change.after());
            let mut text = after.status().to_string();
            for (name, before, after) in [
                ("attempt", before.attempt, after.attempt),
                ("failures", before.failures, after.failures),
                ("losses", before.losses, after.losses),
            ] {
                if before != after {
                    write!(text, ", {name} {before} to {after}").unwrap();
                }
            }
            if before.cancel_requested != after.cancel_requested {
                write!(text, ", cancel_requested {}", after.cancel_requested).unwrap();
            }
            if before.priority != after.priority {
                write!(text, ", {}", after.priority).unwrap();
            }
            text
        }
    }
}

#[test]
fn every_state_against_every_event() {
    let mut table = String::new();
    for (state, job) in states() {
        writeln!(table, "{state}").unwrap();
        for (name, event) in events() {
            writeln!(table, "    {name:<28} {}", outcome(&job, &event)).unwrap();
        }
    }
    insta::assert_snapshot!("job_table", table);
}

/// The diagram of the table above: which event leads from which status to which.
fn diagram() -> String {
    let mut arrows: Vec<(JobStatus, JobStatus, BTreeSet<&'static str>)> = Vec::new();
    for (_, job) in states() {
        for (name, event) in events() {
            let name = name.split(',').next().unwrap();
            if let Ok(Transition::Apply(change)) = transition(&job, &event, NOW.plus_seconds(LATER))
            {
                let (from, to) = (change.before().status(), change.after().status());
                match arrows
                    .iter_mut()
                    .find(|arrow| (arrow.0, arrow.1) == (from, to))
                {
                    Some(arrow) => drop(arrow.2.insert(name)),
                    None => arrows.push((from, to, BTreeSet::from([name]))),
                }
            }
        }
    }
    arrows.sort();
    let mut text = "```mermaid\nstateDiagram-v2\n    [*] --> QUEUED: enqueue\n".to_owned();
    for (from, to, names) in arrows {
        let names: Vec<_> = names.into_iter().collect();
        writeln!(text, "    {from} --> {to}: {}", names.join(" / ")).unwrap();
    }
    text.push_str("    COMPLETED --> [*]\n```\n");
    text
}

#[test]
fn the_diagram_in_the_docs_is_made_from_the_table() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state-machine.md");
    let docs = std::fs::read_to_string(PATH).unwrap();
    let (head, rest) = docs.split_once("<!-- job-diagram:begin -->\n").unwrap();
    let (shown, tail) = rest.split_once("<!-- job-diagram:end -->").unwrap();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let updated = format!(
            "{head}<!-- job-diagram:begin -->\n{}<!-- job-diagram:end -->{tail}",
            diagram()
        );
        std::fs::write(PATH, updated).unwrap();
    } else {
        assert_eq!(
            shown,
            diagram(),
            "run `UPDATE_SNAPSHOTS=1 cargo test -p domain` and look at the change"
        );
    }
}

fn any_event() -> impl Strategy<Value = JobEvent> {
    let cause = prop_oneof![
        Just(None),
        Just(Some(Cause::ExitCode)),
        Just(Some(Cause::Timeout)),
        Just(Some(Cause::AgentError)),
        Just(Some(Cause::AgentLost)),
        Just(Some(Cause::Cancelled)),
    ];
    prop_oneof![
        4 => (1..3_u8).prop_map(|number| JobEvent::Claim { holder: holder(number) }),
        3 => (1..3_u8, 0..6_u32)
            .prop_map(|(number, attempt)| JobEvent::Start { agent_id: agent(number), attempt }),
        4 => (1..3_u8, 0..6_u32, 0..2_i32, cause)
            .prop_map(|(number, attempt, code, cause)| complete(number, attempt, code, cause)),
        2 => (0..6_u32, any::<bool>()).prop_map(|(attempt, start)| JobEvent::Lose {
            attempt,
            loss: if start { Loss::Start } else { Loss::Agent },
        }),
        1 => (0..6_u32).prop_map(|attempt| JobEvent::TimeOut { attempt }),
        1 => Just(JobEvent::Cancel),
        1 => Just(JobEvent::Reprioritise { priority: Priority::Low }),
        1 => Just(JobEvent::Retry),
        1 => any::<bool>().prop_map(|succeeded| JobEvent::CloseByHand { succeeded }),
    ]
}

/// The attempt that an event speaks of, if it speaks of one.
fn attempt_of(event: &JobEvent) -> Option<u32> {
    match event {
        JobEvent::Start { attempt, .. }
        | JobEvent::Complete { attempt, .. }
        | JobEvent::Lose { attempt, .. }
        | JobEvent::TimeOut { attempt } => Some(*attempt),
        JobEvent::Claim { .. }
        | JobEvent::Cancel
        | JobEvent::Reprioritise { .. }
        | JobEvent::Retry
        | JobEvent::CloseByHand { .. } => None,
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(
        max_attempts in 1..4_u32,
        steps in prop::collection::vec((any_event(), 0..200_i64), 0..60),
    ) {
        let mut job = new_job(max_attempts);
        let mut now = NOW;
        let mut results = BTreeSet::new();
        for (event, seconds) in steps {
            now = now.plus_seconds(seconds);
            let Ok(Transition::Apply(change)) = transition(&job, &event, now) else { continue };
            prop_assert_eq!(change.before(), &job);
            let after = change.into_after();
            prop_assert!(after.attempt >= job.attempt, "attempt only rises");
            prop_assert_eq!(after.revision, job.revision + 1);
            if let Some(attempt) = attempt_of(&event) {
                prop_assert_eq!(attempt, job.attempt, "a stale attempt never changes anything");
            }
            if job.status().is_ended() {
                prop_assert_eq!(&event, &JobEvent::Retry, "ended states absorb everything but a retry");
                prop_assert_ne!(job.status(), JobStatus::Completed);
            }
            if event != JobEvent::Retry {
                let counted = |job: &Job| job.failures + job.losses;
                prop_assert!(counted(&after) <= counted(&job) + 1, "an attempt counts in one budget");
                prop_assert!(counted(&after) <= after.attempt, "an attempt counts once");
            }
            if let JobEvent::Complete { attempt, .. } = &event {
                prop_assert!(results.insert(*attempt), "one accepted result for an attempt");
            }
            prop_assert!(after.failures <= max_attempts && after.losses <= MAX_LOSSES);
            prop_assert_eq!(&after.spec, &job.spec);
            prop_assert!(after.history.len() <= domain::job::MAX_HISTORY);
            job = after;
        }
    }

    #[test]
    fn every_job_can_reach_an_end(
        max_attempts in 1..4_u32,
        steps in prop::collection::vec(any_event(), 0..40),
    ) {
        let mut job = new_job(max_attempts);
        let mut now = NOW;
        for event in steps {
            now = now.plus_seconds(400);
            if let Ok(Transition::Apply(change)) = transition(&job, &event, now) {
                job = change.into_after();
            }
        }
        // From wherever it is, an agent that takes it, starts it and succeeds brings it to an end.
        now = now.plus_seconds(400);
        if job.state == JobState::Queued {
            job = after(&job, &JobEvent::Claim { holder: holder(1) }, now);
        }
        if let Some(holder) = job.holder().cloned() {
            let number = if holder.agent_id == agent(1) { 1 } else { 2 };
            job = after(&job, &complete(number, job.attempt, 0, None), now);
        }
        prop_assert!(job.status().is_ended());
    }
}

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
