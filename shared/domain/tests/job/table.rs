//! Every state against every event, and the diagram made of that.

use super::{LATER, NOW, after, agent, claimed, complete, holder, new_job, running};
use domain::job::{Job, JobEvent, Loss, MAX_LOSSES, Transition, TransitionError, transition};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use wire::{Cause, JobStatus, Priority};

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
