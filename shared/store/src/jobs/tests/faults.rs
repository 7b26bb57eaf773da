//! Answers that are lost, a database that is busy, items of another version.

use super::*;

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
async fn a_job_without_a_key_is_created_even_if_it_was_claimed_before_its_write_was_repeated() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let (job, same_try) = (job(Priority::Normal, NOW), random());
        let enqueue = async || {
            let new = NewJob {
                job: job.clone(),
                ready_shards: 1,
                request_sha256: None,
                origin: None,
            };
            tenant
                .enqueue_job(new, NOW, &WriteId::new(same_try))
                .await
                .unwrap()
        };
        assert!(matches!(enqueue().await, Enqueued::Created(_)), "{engine}");
        // The answer was lost, and before the write is repeated an agent claims the job.
        let claimed = claim(&store, &scope, 1, 1, NOW).await;
        assert_eq!(claimed.len(), 1, "{engine}");
        let again = enqueue().await;
        assert!(
            matches!(&again, Enqueued::Created(job) if job.status() == JobStatus::Claimed),
            "{engine}: {again:?}"
        );
        let there = tenant.job(&job.job_id).await.unwrap();
        assert_eq!(there.as_ref(), claimed.first(), "{engine}: nothing changed");
    }
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
async fn a_claim_that_lost_its_line_gets_what_has_become_due() {
    let scope = tenant("acme");
    let engine = Engine::memory().unwrap();
    let calm = on(&engine.client(), Tables::default());
    calm.create_tables().await.unwrap();
    let retried = enqueue(&calm, &scope, Priority::Normal, NOW).await;
    claim(&calm, &scope, 1, 1, NOW).await;
    for event in [start(1, 1), complete(1, 1, 1)] {
        change(&calm, &scope, &retried, &event, NOW).await;
    }
    let tenant = calm.tenant(&scope);
    let due = tenant.job(&retried).await.unwrap().unwrap().available_at;
    let before = due.plus_millis(-500);
    for _ in 0..2 {
        enqueue(&calm, &scope, Priority::Normal, NOW).await;
    }
    // Takes the job that the claim is about to take.
    let rival = {
        let (calm, scope) = (calm.clone(), scope.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            let took = runtime
                .unwrap()
                .block_on(claim(&calm, &scope, 2, 1, before));
            assert_eq!(took.len(), 1);
        }
    };
    let updates = AtomicUsize::new(0);
    let client = engine.client_with(move |call| {
        if call.operation == "UpdateItem" && updates.fetch_add(1, Ordering::Relaxed) == 1 {
            std::thread::spawn(rival.clone()).join().unwrap();
        }
        Fault::None
    });
    let store = on(&client, Tables::default());
    let order = ClaimOrder::default();
    let (pool, holder) = (pool(), holder(1));
    let wish = ClaimWish {
        pool: &pool,
        ready_shards: 1,
        holder: &holder,
        max_jobs: 1,
        order: &order,
    };
    let tenant = store.tenant(&scope);
    // It finds no job due, which the next one remembers.
    let first = tenant.claim_jobs(&wish, before, random).await.unwrap();
    assert_eq!((first.jobs.len(), first.lost_races), (1, 0));
    let after = before.plus_millis(999);
    let second = tenant.claim_jobs(&wish, after, random).await.unwrap();
    let ids: Vec<_> = second.jobs.iter().map(|job| &job.job_id).collect();
    assert_eq!((ids, second.lost_races), (vec![&retried], 1));
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
