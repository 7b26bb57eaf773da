//! The job's state machine: every state against every event in one table, the diagram made of it, what holds for any
//! sequence of events, and the rules one by one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod properties;
mod rules;
mod table;

use domain::job::{Holder, Job, JobEvent, JobSpec, Transition, transition};
use wire::{AgentId, Cause, JobId, Priority, Timestamp};

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
