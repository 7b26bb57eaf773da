#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
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

#[tokio::test]
async fn a_whole_life_writes_fourteen_units() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 1, NOW).await;
        let tenant = store.tenant(&scope);
        for (name, event) in [("start", start(1, 1)), ("complete", complete(1, 1, 0))] {
            let outcome = tenant
                .change_job(name, &id, &event, NOW, &write_id())
                .await
                .unwrap();
            assert!(matches!(outcome, JobOutcome::Changed(_)), "{engine}");
        }
        let units: Vec<_> = ["enqueue_job", "claim_job", "start", "complete"]
            .map(|name| (name, store.meter().snapshot()[name].write_units))
            .into();
        let expected = [
            ("enqueue_job", 3.0),
            ("claim_job", 4.0),
            ("start", 3.0),
            ("complete", 4.0),
        ];
        assert_eq!(units, expected, "{engine}");
    }
}

#[tokio::test]
async fn a_claim_reads_one_unit_at_every_depth() {
    let scope = tenant("acme");
    let store = on(&Engine::memory().unwrap().client(), Tables::default());
    store.create_tables().await.unwrap();
    let mut waiting = 0;
    for depth in [0, 1, 10, 400] {
        while waiting < depth {
            enqueue(&store, &scope, Priority::Normal, NOW).await;
            waiting += 1;
        }
        let before = store
            .meter()
            .snapshot()
            .get("claim_job")
            .copied()
            .unwrap_or_default();
        waiting -= claim(&store, &scope, 1, 1, NOW).await.len();
        let after = store.meter().snapshot()["claim_job"];
        let read = after.read_units - before.read_units;
        assert!((0.0..=1.0).contains(&read), "{read} units at depth {depth}");
        assert!(depth == 0 || read > 0.0);
    }
}

#[tokio::test]
async fn claims_go_by_priority_and_then_by_time() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut expected = Vec::new();
        for (place, priority) in [
            (3, Priority::Normal),
            (1, Priority::High),
            (5, Priority::Low),
            (4, Priority::Normal),
            (0, Priority::Critical),
            (2, Priority::High),
        ] {
            let now = NOW.plus_seconds(i64::from(place));
            expected.push((place, enqueue(&store, &scope, priority, now).await));
        }
        expected.sort();
        let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
        let later = NOW.plus_seconds(10);
        let jobs = claim(&store, &scope, 1, 10, later).await;
        let claimed: Vec<_> = jobs.into_iter().map(|job| job.job_id).collect();
        assert_eq!(claimed, expected, "{engine}");
    }
}

#[tokio::test]
async fn a_blind_claim_writes_what_the_rules_say() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::High, NOW).await;
        let before = store.tenant(&scope).job(&id).await.unwrap().unwrap();
        let later = NOW.plus_millis(700);
        let claimed = claim(&store, &scope, 1, 1, later).await.remove(0);
        let event = JobEvent::Claim { holder: holder(1) };
        let Ok(Transition::Apply(change)) = transition(&before, &event, later) else {
            panic!("{engine}: the rules refuse the claim")
        };
        assert_eq!(&claimed, change.after(), "{engine}");
        assert_eq!(
            store.tenant(&scope).job(&id).await.unwrap().as_ref(),
            Some(&claimed)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_claimers_get_every_job_once() {
    for (engine, store) in stores().await {
        let scope = tenant("acme");
        let mut all = BTreeSet::new();
        for _ in 0..160 {
            all.insert(enqueue(&store, &scope, Priority::Normal, NOW).await);
        }
        let order = ClaimOrder::default();
        let claimers = (0..16).map(|number| {
            let (store, scope, order) = (store.clone(), scope.clone(), order.clone());
            tokio::spawn(async move {
                let (pool, holder) = (pool(), holder(number));
                let mut got = Vec::new();
                loop {
                    let wish = ClaimWish {
                        pool: &pool,
                        ready_shards: 1,
                        holder: &holder,
                        max_jobs: 1,
                        order: &order,
                    };
                    let claimed = store
                        .tenant(&scope)
                        .claim_jobs(&wish, NOW, random)
                        .await
                        .unwrap();
                    if claimed.jobs.is_empty() {
                        return got;
                    }
                    got.extend(claimed.jobs.into_iter().map(|job| job.job_id));
                }
            })
        });
        let mut claimed = Vec::new();
        for claimer in claimers.collect::<Vec<_>>() {
            claimed.extend(claimer.await.unwrap());
        }
        assert_eq!(
            claimed.len(),
            all.len(),
            "{engine}: a job was given twice, or none"
        );
        assert_eq!(
            claimed.into_iter().collect::<BTreeSet<_>>(),
            all,
            "{engine}"
        );
    }
}

/// A client whose every write takes effect and loses its first answer; the SDK tries again.
fn forgetful(engine: &Engine) -> Client {
    let lost = AtomicUsize::new(0);
    let config = engine
        .config_with(move |call| match call.operation {
            "PutItem" | "UpdateItem" if lost.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                Fault::DropAfter
            }
            _ => Fault::None,
        })
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(std::time::Duration::from_millis(1)),
        );
    Client::from_conf(config.build())
}

#[tokio::test]
async fn writes_whose_answers_are_lost_are_recognised() {
    let scope = tenant("acme");
    let engine = Engine::memory().unwrap();
    on(&engine.client(), Tables::default())
        .create_tables()
        .await
        .unwrap();
    let store = on(&forgetful(&engine), Tables::default());
    let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
    let claimed = claim(&store, &scope, 1, 1, NOW).await;
    assert_eq!(claimed.len(), 1, "the claim had succeeded");
    assert_eq!(claimed[0].attempt, 1, "and only once");
    for event in [
        start(1, 1),
        complete(1, 1, 1),
        JobEvent::Cancel,
        JobEvent::Retry,
    ] {
        let outcome = change(&store, &scope, &id, &event, NOW).await;
        assert!(
            matches!(outcome, JobOutcome::Changed(_)),
            "{event:?}: {outcome:?}"
        );
    }
    assert_eq!(
        store.meter().total().lost_races,
        6,
        "every write lost its answer once"
    );
}

#[tokio::test]
async fn a_throttled_store_is_busy_and_changes_nothing() {
    let scope = tenant("acme");
    let engine = Engine::memory().unwrap();
    let calm = on(&engine.client(), Tables::default());
    calm.create_tables().await.unwrap();
    let id = enqueue(&calm, &scope, Priority::Normal, NOW).await;
    for fault in [Fault::Throttle, Fault::DropBefore] {
        let store = on(&engine.client_with(move |_| fault), Tables::default());
        let tenant = store.tenant(&scope);
        let answer = tenant
            .change_job("cancel", &id, &JobEvent::Cancel, NOW, &write_id())
            .await;
        assert!(matches!(answer, Err(StoreError::Busy { .. })), "{answer:?}");
        let wish = ClaimWish {
            pool: &pool(),
            ready_shards: 1,
            holder: &holder(1),
            max_jobs: 1,
            order: &ClaimOrder::default(),
        };
        assert!(matches!(
            tenant.claim_jobs(&wish, NOW, random).await,
            Err(StoreError::Busy { .. })
        ));
    }
    assert_eq!(status(&calm, &scope, &id).await, JobStatus::Queued);
}

#[tokio::test]
async fn what_was_claimed_reaches_the_agent_although_the_next_claim_fails() {
    let scope = tenant("acme");
    let engine = Engine::memory().unwrap();
    let calm = on(&engine.client(), Tables::default());
    calm.create_tables().await.unwrap();
    for _ in 0..3 {
        enqueue(&calm, &scope, Priority::Normal, NOW).await;
    }
    let updates = Arc::new(AtomicUsize::new(0));
    let client = engine.client_with(move |call| match call.operation {
        "UpdateItem" if updates.fetch_add(1, Ordering::Relaxed) >= 2 => Fault::Throttle,
        _ => Fault::None,
    });
    let store = on(&client, Tables::default());
    assert_eq!(claim(&store, &scope, 1, 3, NOW).await.len(), 2);
}

#[tokio::test]
async fn cancel_beats_claim_in_either_order() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        change(&store, &scope, &id, &JobEvent::Cancel, NOW).await;
        assert!(
            claim(&store, &scope, 1, 1, NOW).await.is_empty(),
            "{engine}"
        );
        assert_eq!(status(&store, &scope, &id).await, JobStatus::Cancelled);

        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 1, NOW).await;
        change(&store, &scope, &id, &JobEvent::Cancel, NOW).await;
        change(
            &store,
            &scope,
            &id,
            &JobEvent::Lose {
                attempt: 1,
                loss: Loss::Agent,
            },
            NOW,
        )
        .await;
        assert_eq!(
            status(&store, &scope, &id).await,
            JobStatus::Cancelled,
            "{engine}"
        );
    }
}

#[tokio::test]
async fn an_idempotency_key_names_one_job() {
    for (engine, store) in stores().await {
        let scope = tenant("acme");
        let with = |digest: u8| {
            let mut job = job(Priority::Normal, NOW);
            job.job_id = NewJob::id_for_key(scope.tenant(), "delivery-1");
            NewJob {
                job,
                ready_shards: 1,
                request_sha256: Some([digest; 32]),
            }
        };
        let tenant = store.tenant(&scope);
        let first = tenant.enqueue_job(with(1), NOW, &write_id()).await.unwrap();
        assert!(matches!(first, Enqueued::Created(_)), "{engine}");
        claim(&store, &scope, 1, 1, NOW).await;
        let again = tenant.enqueue_job(with(1), NOW, &write_id()).await.unwrap();
        assert!(matches!(again, Enqueued::Existing(job) if job.status() == JobStatus::Claimed));
        let other = tenant.enqueue_job(with(2), NOW, &write_id()).await.unwrap();
        assert!(matches!(other, Enqueued::Conflict), "{engine}");
        let ids = ["acme", "umbra"]
            .map(|name| NewJob::id_for_key(crate::testing::tenant(name).tenant(), "k"));
        assert_ne!(ids[0], ids[1], "keys of two tenants do not meet");
    }
}

#[tokio::test]
async fn the_sweep_returns_the_unstarted_and_ends_the_overdue() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let unstarted = enqueue(&store, &scope, Priority::Normal, NOW).await;
        let overdue = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 2, NOW).await;
        change(&store, &scope, &overdue, &start(1, 1), NOW).await;
        let sweep = async |at: Timestamp| {
            let mut moved = Vec::new();
            for shard in 0..crate::keys::DEADLINE_SHARDS {
                moved.extend(
                    store
                        .sweep_jobs(shard, at, 100, random)
                        .await
                        .unwrap()
                        .moved,
                );
            }
            moved
                .into_iter()
                .map(|moved| (moved.job_id, moved.status))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            sweep(NOW.plus_seconds(29)).await,
            [],
            "{engine}: nothing is due yet"
        );
        let at = NOW.plus_seconds(30);
        assert_eq!(
            sweep(at).await,
            [(unstarted.clone(), JobStatus::Queued)],
            "{engine}"
        );
        assert_eq!(sweep(at).await, [], "{engine}: twice does no harm");
        let at = NOW.plus_seconds(60 + 30);
        assert_eq!(
            sweep(at).await,
            [(overdue.clone(), JobStatus::Queued)],
            "{engine}"
        );
        let tenant = store.tenant(&scope);
        let (unstarted, overdue) = (
            tenant.job(&unstarted).await.unwrap().unwrap(),
            tenant.job(&overdue).await.unwrap().unwrap(),
        );
        assert_eq!((unstarted.failures, unstarted.losses), (0, 1));
        assert_eq!((overdue.failures, overdue.losses), (1, 0));
    }
}

#[tokio::test]
async fn a_lost_agents_jobs_go_back_and_a_revived_ones_stay() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 1, NOW).await;
        let tenant = store.tenant(&scope);
        let moved = tenant
            .give_back_jobs(&agent(1), 1, NOW, random)
            .await
            .unwrap();
        assert_eq!(
            moved,
            [],
            "{engine}: the job is held under the present epoch"
        );
        let moved = tenant
            .give_back_jobs(&agent(1), 2, NOW, random)
            .await
            .unwrap();
        assert_eq!(moved.len(), 1, "{engine}");
        assert_eq!(status(&store, &scope, &id).await, JobStatus::Queued);
        claim(&store, &scope, 2, 1, NOW).await;
        let late = change(&store, &scope, &id, &complete(1, 1, 0), NOW).await;
        assert!(
            matches!(late, JobOutcome::Refused(TransitionError::Stale, _)),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_failed_job_is_claimed_when_its_back_off_has_passed() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 1, NOW).await;
        change(&store, &scope, &id, &complete(1, 1, 1), NOW).await;
        assert!(
            claim(&store, &scope, 1, 1, NOW.plus_millis(4_999))
                .await
                .is_empty(),
            "{engine}"
        );
        let due = NOW.plus_seconds(5);
        let promoted = store
            .tenant(&scope)
            .promote_due_jobs(&pool(), due, random)
            .await
            .unwrap();
        assert_eq!(promoted, 1, "{engine}");
        let claimed = claim(&store, &scope, 2, 1, due).await;
        assert_eq!((claimed.len(), claimed[0].attempt), (1, 2), "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_is_due_is_claimed_before_the_sweep_has_moved_it() {
    let scope = tenant("acme");
    for (_, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        claim(&store, &scope, 1, 1, NOW).await;
        change(&store, &scope, &id, &complete(1, 1, 1), NOW).await;
        assert_eq!(
            claim(&store, &scope, 2, 1, NOW.plus_seconds(5)).await.len(),
            1
        );
    }
}

#[tokio::test]
async fn lists_come_newest_first_in_pages() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut expected = Vec::new();
        for second in 0..7 {
            expected.insert(
                0,
                enqueue(&store, &scope, Priority::Normal, NOW.plus_seconds(second)).await,
            );
        }
        enqueue(&store, &tenant("umbra"), Priority::Normal, NOW).await;
        let tenant = store.tenant(&scope);
        let mut listed = Vec::new();
        let mut position = None;
        loop {
            let page = tenant
                .jobs(&JobFilter::default(), 3, position.as_ref())
                .await
                .unwrap();
            listed.extend(page.jobs.into_iter().map(|job| job.job_id));
            position = page.next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected, "{engine}");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_status_and_agent() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut ids = Vec::new();
        for second in 0..4 {
            ids.push(enqueue(&store, &scope, Priority::Normal, NOW.plus_seconds(second)).await);
        }
        let later = NOW.plus_seconds(9);
        claim(&store, &scope, 1, 2, later).await;
        claim(&store, &scope, 2, 1, later).await;
        change(&store, &scope, &ids[0], &complete(1, 1, 0), later).await;
        let list = async |filter: JobFilter| {
            let jobs = store
                .tenant(&scope)
                .jobs(&filter, 10, None)
                .await
                .unwrap()
                .jobs;
            jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>()
        };
        let of = |status| JobFilter {
            status: Some(status),
            ..JobFilter::default()
        };
        assert_eq!(list(of(JobStatus::Queued)).await, ids[3..], "{engine}");
        assert_eq!(list(of(JobStatus::Completed)).await, ids[..1], "{engine}");
        assert_eq!(list(of(JobStatus::Claimed)).await.len(), 2, "{engine}");
        let held = JobFilter {
            agent: Some(agent(1)),
            ..JobFilter::default()
        };
        assert_eq!(list(held).await, ids[1..2], "{engine}");
        let open = JobFilter {
            open: true,
            ..JobFilter::default()
        };
        assert_eq!(list(open).await.len(), 3, "{engine}");
        let text = JobFilter {
            text: Some("EXAMPLE/shop".to_owned()),
            ..JobFilter::default()
        };
        assert_eq!(list(text).await.len(), 4, "{engine}");
    }
}

#[tokio::test]
async fn another_tenants_job_is_missing() {
    for (engine, store) in stores().await {
        let id = enqueue(&store, &tenant("acme"), Priority::Normal, NOW).await;
        let outcome = change(&store, &tenant("umbra"), &id, &JobEvent::Cancel, NOW).await;
        assert!(matches!(outcome, JobOutcome::Missing), "{engine}");
        assert_eq!(
            status(&store, &tenant("acme"), &id).await,
            JobStatus::Queued
        );
    }
}

#[tokio::test]
async fn attributes_of_a_newer_version_survive_a_change() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let id = enqueue(&store, &scope, Priority::Normal, NOW).await;
        let table = store.tables.name(TableKind::Jobs);
        store
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key(scope.job(&id), JOB)))
            .update_expression("SET from_the_future = :value")
            .expression_attribute_values(":value", string("kept"))
            .send()
            .await
            .unwrap();
        change(&store, &scope, &id, &JobEvent::Cancel, NOW).await;
        let item = store
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(key(scope.job(&id), JOB)))
            .send()
            .await
            .unwrap()
            .item
            .unwrap();
        assert_eq!(
            item.get("from_the_future"),
            Some(&string("kept")),
            "{engine}"
        );
        assert_eq!(item.get("rpk"), None, "{engine}: it left the line");
        let job = store.tenant(&scope).job(&id).await.unwrap().unwrap();
        assert!(matches!(job.state, JobState::Cancelled { .. }), "{engine}");
    }
}
