//! What holds for any sequence of events.

use super::{NOW, after, agent, complete, holder, new_job};
use domain::job::{Job, JobEvent, JobState, Loss, MAX_LOSSES, Transition, transition};
use proptest::prelude::*;
use std::collections::BTreeSet;
use wire::{Cause, JobStatus, Priority};

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
