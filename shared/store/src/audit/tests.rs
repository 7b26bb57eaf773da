//! The record of who did what, on every engine.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod chain;
mod faults;
mod harvest;
mod lists;

use super::*;
use crate::call::key;
use crate::schema::TableKind;
use crate::testing::{NOW, draft, on, random, stores, tenant};
use crate::{NewJob, Store, StoreError, Tables, TenantScope, WriteId};
use domain::Timestamp;
use domain::job::{Holder, Job, JobEvent, JobSpec};
use embedded_dynamodb::{Engine, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wire::audit::{Action, Detail, Draft, Expected, Link, Outcome, Record, Verdict, Verifier};
use wire::{AgentId, JobId, Priority};

fn write_id() -> WriteId {
    WriteId::new(random())
}

async fn append(store: &Store, scope: &TenantScope, resource: &str) {
    let draft = draft(Action::PoolUpdate, resource);
    let (tenant, write_id) = (store.tenant(scope), write_id());
    // On a machine that does much else at once others may come first for as long as one call has patience. It is the same
    // write when it is tried again.
    for _ in 0..10 {
        match tenant
            .append_records(std::slice::from_ref(&draft), NOW, &write_id)
            .await
        {
            Ok(()) => return,
            Err(StoreError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("others came first ten times over");
}

/// Another process on the same tables.
fn another(store: &Store) -> Store {
    on(&store.client, store.tables.clone())
}

/// Everything that an export has, verified, in its order.
async fn exported(store: &Store, scope: &TenantScope) -> Vec<Record> {
    let mut verifier = Verifier::new(Expected::default());
    let mut records = Vec::new();
    let mut from = 1;
    loop {
        let tenant = store.tenant(scope);
        let part = tenant.audit_export(from, 100, 1_000_000).await.unwrap();
        for line in part.lines.lines() {
            verifier.push_line(line.as_bytes());
            records.push(serde_json::from_str(line).unwrap());
        }
        match part.next {
            Some(next) => from = next,
            None => break,
        }
    }
    let verdict = verifier.finish();
    assert!(matches!(verdict, Verdict::Whole(_)), "{verdict:?}");
    records
}

fn what(records: &[Record]) -> Vec<(&str, &str)> {
    records
        .iter()
        .map(|record| (record.action.as_str(), record.resource.as_str()))
        .collect()
}

fn job_id() -> JobId {
    let (first, second) = (random(), random());
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&first);
    bytes[8..].copy_from_slice(&second[..2]);
    JobId::new(NOW, bytes)
}

async fn enqueue(store: &Store, scope: &TenantScope, now: Timestamp) -> JobId {
    enqueue_as(store, scope, ("token:bbbbbbbbbbbb", None), now).await
}

/// A job of that author, with the session that they had if they had one.
async fn enqueue_as(
    store: &Store,
    scope: &TenantScope,
    (author, session): (&str, Option<&str>),
    now: Timestamp,
) -> JobId {
    let spec = JobSpec {
        job_type: "build".parse().unwrap(),
        pool_name: "default".parse().unwrap(),
        git_repo: "https://github.com/example/shop.git".parse().unwrap(),
        git_ref: None,
        git_commit_sha: "0123456789012345678901234567890123456789".parse().unwrap(),
        git_author: None,
        tags: wire::Tags::default(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts: 1,
    };
    let job = Job::enqueue(job_id(), spec, Priority::Normal, author.to_owned(), now);
    let id = job.job_id.clone();
    let new = NewJob {
        job,
        ready_shards: 1,
        request_sha256: None,
        origin: Some(crate::JobOrigin {
            request_id: Some("request-2".to_owned()),
            address: Some("2001:db8::1".to_owned()),
            credential_id: session.map(str::to_owned),
        }),
    };
    let tenant = store.tenant(scope);
    tenant.enqueue_job(new, now, &write_id()).await.unwrap();
    id
}

async fn change(store: &Store, scope: &TenantScope, id: &JobId, event: &JobEvent, now: Timestamp) {
    let tenant = store.tenant(scope);
    let outcome = tenant.change_job("test", id, event, now, &write_id()).await;
    let outcome = outcome.unwrap();
    assert!(
        matches!(outcome, crate::JobOutcome::Changed(_)),
        "{outcome:?}"
    );
}

fn agent() -> AgentId {
    AgentId::from_digest([7; 16])
}

/// An agent claims the job, and reports that code.
async fn run(store: &Store, scope: &TenantScope, id: &JobId, exit_code: i32, now: Timestamp) {
    let holder = Holder {
        agent_id: agent(),
        epoch: 1,
    };
    change(store, scope, id, &JobEvent::Claim { holder }, now).await;
    let attempt = {
        let job = store.tenant(scope).job(id).await.unwrap();
        job.unwrap().attempt
    };
    let complete = JobEvent::Complete {
        agent_id: agent(),
        attempt,
        exit_code,
        duration_seconds: 1.0,
        cause: None,
        logs_url: None,
    };
    change(store, scope, id, &complete, now).await;
}
