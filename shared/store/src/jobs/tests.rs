#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod claims;
mod faults;
mod lists;
mod sweeps;

use super::*;
use crate::testing::{NOW, on, random, stores, tenant};
use crate::{Store, Tables, TenantScope};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use domain::job::{Holder, JobSpec, JobState, Loss};
use embedded_dynamodb::{Engine, Fault};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wire::{AgentId, JobStatus, PoolName, Priority};

fn id() -> JobId {
    let (first, second) = (random(), random());
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&first);
    bytes[8..].copy_from_slice(&second[..2]);
    JobId::new(NOW, bytes)
}

fn write_id() -> WriteId {
    WriteId::new(random())
}

fn pool() -> PoolName {
    "default".parse().unwrap()
}

fn agent(number: u8) -> AgentId {
    AgentId::from_digest([number; 16])
}

fn holder(number: u8) -> Holder {
    Holder {
        agent_id: agent(number),
        epoch: 1,
    }
}

fn job(priority: Priority, now: Timestamp) -> Job {
    let spec = JobSpec {
        job_type: "build".parse().unwrap(),
        pool_name: pool(),
        git_repo: "https://github.com/example/shop.git".parse().unwrap(),
        git_ref: Some("refs/heads/main".parse().unwrap()),
        git_commit_sha: "0123456789012345678901234567890123456789".parse().unwrap(),
        git_author: Some("dev@example.com".parse().unwrap()),
        tags: wire::Tags::default(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts: 3,
    };
    Job::enqueue(id(), spec, priority, "token".to_owned(), now)
}

async fn enqueue(store: &Store, scope: &TenantScope, priority: Priority, now: Timestamp) -> JobId {
    let job = job(priority, now);
    let job_id = job.job_id.clone();
    let new = NewJob {
        job,
        ready_shards: 1,
        request_sha256: None,
        origin: None,
    };
    let outcome = store
        .tenant(scope)
        .enqueue_job(new, now, &write_id())
        .await
        .unwrap();
    assert!(matches!(outcome, Enqueued::Created(_)));
    job_id
}

async fn claim(
    store: &Store,
    scope: &TenantScope,
    number: u8,
    max_jobs: usize,
    now: Timestamp,
) -> Vec<Job> {
    let order = ClaimOrder::default();
    let wish = ClaimWish {
        pool: &pool(),
        ready_shards: 1,
        holder: &holder(number),
        max_jobs,
        order: &order,
    };
    store
        .tenant(scope)
        .claim_jobs(&wish, now, random)
        .await
        .unwrap()
        .jobs
}

async fn change(
    store: &Store,
    scope: &TenantScope,
    id: &JobId,
    event: &JobEvent,
    now: Timestamp,
) -> JobOutcome {
    store
        .tenant(scope)
        .change_job("change", id, event, now, &write_id())
        .await
        .unwrap()
}

fn start(number: u8, attempt: u32) -> JobEvent {
    JobEvent::Start {
        agent_id: agent(number),
        attempt,
    }
}

fn complete(number: u8, attempt: u32, exit_code: i32) -> JobEvent {
    JobEvent::Complete {
        agent_id: agent(number),
        attempt,
        exit_code,
        duration_seconds: 1.5,
        cause: None,
        logs_url: None,
    }
}

async fn status(store: &Store, scope: &TenantScope, id: &JobId) -> JobStatus {
    store.tenant(scope).job(id).await.unwrap().unwrap().status()
}
