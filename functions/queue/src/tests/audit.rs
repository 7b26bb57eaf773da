//! The record of who did what to jobs.

use super::world::{Answer, JOBS, World, job};
use auth::walk::Person;
use axum::body::Body;
use embedded_dynamodb::Fault;
use http::{Method, Request};
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use store::AuditFilter;
use web::ClientAddress;
use wire::audit::{Outcome, Record};
use wire::{Role, Timestamp};

const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
const ADDRESS: &str = "2001:db8:1111:2222:3333:4444:5555:6666";

impl World {
    /// A request as API Gateway passes it on.
    async fn send_from_outside(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Value,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", bearer)
            .header("content-type", "application/json")
            .header("x-request-id", REQUEST_ID)
            .extension(ClientAddress::new(ADDRESS.parse().unwrap()))
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    async fn cancel(&self, id: &str) -> Answer {
        let path = format!("{JOBS}/{id}");
        self.call(Method::DELETE, &path, &self.token, None).await
    }

    /// Every record, oldest first.
    async fn records(&self) -> Vec<Record> {
        let tenant = self.api.store.tenant(&self.scope);
        let page = tenant
            .audit_records(&AuditFilter::default(), 1_000, None)
            .await
            .unwrap();
        page.records.into_iter().rev().collect()
    }

    async fn actions(&self) -> Vec<String> {
        let records = self.records().await.into_iter();
        records.map(|record| record.action).collect()
    }

    /// What maintenance does that much later.
    async fn maintain(&self, later: Timestamp) {
        let tenant = self.api.store.tenant(&self.scope);
        let random = || self.api.entropy.bytes();
        tenant.complete_stale_intents(later, random).await.unwrap();
        tenant.harvest_audit(later, random).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_person_does_to_a_job_is_recorded_at_once() {
    let world = World::new().await;
    let id = world.enqueue(json!({})).await;
    let path = format!("{JOBS}/{id}/priority");
    let high = json!({"priority": "HIGH"});
    let answer = world
        .send_from_outside(Method::PATCH, &path, &world.token, high)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    world.cancel(&id).await;
    world.post(&format!("{JOBS}/{id}/retry"), json!({})).await;
    let records = world.records().await;
    let actions: Vec<_> = records.iter().map(|record| &*record.action).collect();
    assert_eq!(actions, ["job.reprioritise", "job.cancel", "job.retry"]);
    for record in &records {
        assert_eq!(record.resource, format!("job:{id}"));
        assert_eq!(record.outcome, Outcome::Done);
        let key_id = record.credential_id.as_ref().unwrap();
        assert_eq!(record.actor, format!("token:{key_id}"));
        assert!(record.before_sha256.is_some() && record.after_sha256.is_some());
        assert_ne!(record.before_sha256, record.after_sha256);
    }
    assert_eq!(records[0].detail["priority"], "HIGH");
    assert_eq!(records[0].request_id.as_deref(), Some(REQUEST_ID));
    assert_eq!(records[0].address.as_deref(), Some(ADDRESS));
    // What one leaves is what the next one finds.
    assert_eq!(records[0].after_sha256, records[1].before_sha256);
    assert_eq!(records[1].after_sha256, records[2].before_sha256);
}

#[tokio::test]
async fn the_record_of_a_retry_tells_of_the_end_that_it_takes_away() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({"max_attempts": 1})).await;
    world.claim(&agent, json!({})).await;
    world.complete(&agent, &id, 1, 3).await;
    world.post(&format!("{JOBS}/{id}/retry"), json!({})).await;
    world.maintain(world.api.now().plus_seconds(240)).await;
    // The end was never harvested.
    assert_eq!(world.actions().await, ["job.retry", "job.enqueued"]);
    let retry = world.records().await.remove(0);
    for (name, value) in [
        ("status", "FAILED"),
        ("attempt", "1"),
        ("exit_code", "3"),
        ("cause", "EXIT_CODE"),
        ("agent", agent.id.as_str()),
    ] {
        assert_eq!(retry.detail[name], value);
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_recorded() {
    let world = World::new().await;
    let id = world.enqueue(json!({})).await;
    assert_eq!(world.cancel(&id).await.status, 200);
    assert_eq!(world.actions().await.len(), 1);
    // Done before, not possible, and not there.
    assert_eq!(world.cancel(&id).await.status, 200);
    let path = format!("{JOBS}/{id}/priority");
    let low = Some(json!({"priority": "LOW"}));
    let refused = world.call(Method::PATCH, &path, &world.token, low).await;
    assert_eq!(refused.status, 409);
    let missing = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
    assert_eq!(world.cancel(missing).await.status, 404);
    world.maintain(world.api.now().plus_seconds(80)).await;
    assert_eq!(world.actions().await, ["job.cancel"]);
}

#[tokio::test]
async fn what_a_person_does_names_their_session() {
    let world = World::new().await;
    let person = Person::join(&world.api, &world.scope, Role::Developer);
    let person = person.await.unwrap();
    let session = person.session(&world.api, world.api.now()).await.unwrap();
    let bearer = session.bearer();
    let put = Some(job(json!({})));
    let id = world.call(Method::POST, JOBS, &bearer, put).await.job_id();
    let path = format!("{JOBS}/{id}");
    let cancelled = world.call(Method::DELETE, &path, &bearer, None).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.json);
    world.maintain(world.api.now().plus_seconds(240)).await;
    let records = world.records().await;
    let actions: Vec<_> = records.iter().map(|record| &*record.action).collect();
    assert_eq!(actions, ["job.cancel", "job.enqueued", "job.ended"]);
    let actor = format!("user:{}", person.membership.user_id);
    for record in &records[..2] {
        assert_eq!(record.actor, actor);
        let credential = record.credential_id.as_deref().unwrap();
        assert!(credential.starts_with("session-"), "{credential}");
    }
    assert_eq!(records[0].credential_id, records[1].credential_id);
}

#[tokio::test]
async fn a_requeue_by_hand_is_recorded() {
    let world = World::new().await;
    let admin = world.admin().await;
    let path = "/api/queue/maintenance/requeue-expired";
    let answer = world.call(Method::POST, path, &admin, None).await;
    assert_eq!(answer.status, 200);
    let records = world.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].action, "queue.sweep");
    assert_eq!(records[0].detail["requeued"], "0");
}

#[tokio::test]
async fn the_way_of_a_job_costs_what_it_did_and_is_recorded_later() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    // The first use of a credential is noted in it.
    world.get(JOBS).await;
    world.claim(&agent, json!({})).await;
    let mut units = Vec::new();
    let mut before = world.write_units();
    let mut spent = || {
        let after = world.write_units();
        units.push(after - std::mem::replace(&mut before, after));
    };
    let answer = world
        .send_from_outside(Method::POST, JOBS, &world.token, job(json!({})))
        .await;
    let id = answer.job_id();
    spent();
    world.claim(&agent, json!({})).await;
    spent();
    world.start(&agent, &id, 1).await;
    spent();
    world.complete(&agent, &id, 1, 0).await;
    spent();
    assert_eq!(units, [3.0, 4.0, 3.0, 4.0]);
    assert_eq!(world.records().await, []);
    world.maintain(world.api.now().plus_seconds(240)).await;
    let records = world.records().await;
    let actions: Vec<_> = records.iter().map(|record| &*record.action).collect();
    assert_eq!(actions, ["job.enqueued", "job.ended"]);
    assert_eq!(records[0].request_id.as_deref(), Some(REQUEST_ID));
    assert_eq!(records[0].address.as_deref(), Some(ADDRESS));
    assert_eq!(records[1].actor, format!("agent:{}", agent.id));
}

#[tokio::test]
async fn jobs_of_a_batch_are_recorded_each() {
    let world = World::new().await;
    let batch = json!({"jobs": vec![job(json!({})); 30]});
    world.post("/api/queue/jobs/batch", batch).await;
    world.maintain(world.api.now().plus_seconds(240)).await;
    assert_eq!(world.actions().await, vec!["job.enqueued"; 30]);
}

/// Whether the job is cancelled, and what is recorded of that a while later.
async fn afterwards(world: &World, id: &str) -> (bool, Vec<Outcome>) {
    world.maintain(world.api.now().plus_seconds(80)).await;
    let job = world.get(&format!("{JOBS}/{id}")).await;
    let records = world.records().await.into_iter();
    let outcomes = records
        .filter(|record| record.action == "job.cancel")
        .map(|record| record.outcome);
    (job.job()["status"] == "CANCELLED", outcomes.collect())
}

#[tokio::test]
async fn whichever_call_fails_a_change_has_one_record_and_none_has_two() {
    for fault in [Fault::Throttle, Fault::DropBefore, Fault::DropAfter] {
        for at in 0..8 {
            let world = World::new().await;
            let id = world.enqueue(json!({})).await;
            let calls = AtomicUsize::new(0);
            let faulty = world.with_faults(move |_| {
                if calls.fetch_add(1, Ordering::SeqCst) == at {
                    fault
                } else {
                    Fault::None
                }
            });
            let status = faulty.cancel(&id).await.status.as_u16();
            let (cancelled, outcomes) = afterwards(&world, &id).await;
            let context = format!("{fault:?} at {at}: {status} {cancelled} {outcomes:?}");
            match outcomes.as_slice() {
                [] => assert!(!cancelled && status == 503, "{context}"),
                [Outcome::Unknown] => assert!(status == 503, "{context}"),
                [Outcome::Done] => assert!(cancelled && status == 200, "{context}"),
                _ => panic!("{context}"),
            }
        }
    }
}

#[tokio::test]
async fn wherever_the_process_dies_a_change_has_one_record() {
    for at in 0..6 {
        let world = World::new().await;
        let id = world.enqueue(json!({})).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let dying = world.with_faults(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Fault::None
        });
        // The call of that number is made, and nobody lives to see its answer.
        let mut request = Box::pin(dying.cancel(&id));
        poll_fn(|context| {
            if calls.load(Ordering::SeqCst) > at {
                return Poll::Ready(());
            }
            request.as_mut().poll(context).map(drop)
        })
        .await;
        drop(request);
        let (cancelled, outcomes) = afterwards(&world, &id).await;
        let context = format!("death at {at}: {cancelled} {outcomes:?}");
        match outcomes.as_slice() {
            [] => assert!(!cancelled, "{context}"),
            [_] => {}
            _ => panic!("{context}"),
        }
    }
}
