//! The life of a job, and who gets it.

use super::*;

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
async fn of_many_claims_in_a_second_one_looks_for_what_has_become_due() {
    let scope = tenant("acme");
    let store = on(&Engine::memory().unwrap().client(), Tables::default());
    store.create_tables().await.unwrap();
    let tenant = store.tenant(&scope);
    let retried = enqueue(&store, &scope, Priority::Critical, NOW).await;
    claim(&store, &scope, 1, 1, NOW).await;
    for event in [start(1, 1), complete(1, 1, 1)] {
        change(&store, &scope, &retried, &event, NOW).await;
    }
    let due = tenant.job(&retried).await.unwrap().unwrap().available_at;
    assert!(due.millis_since(NOW) > 1_000);
    for _ in 0..3 {
        enqueue(&store, &scope, Priority::Normal, NOW).await;
    }
    let order = ClaimOrder::default();
    let units = || store.meter().snapshot()["claim_job"].read_units;
    let claim_at = |now, max_jobs| {
        let order = order.clone();
        async move {
            let before = units();
            let wish = ClaimWish {
                pool: &pool(),
                ready_shards: 1,
                holder: &holder(1),
                max_jobs,
                order: &order,
            };
            let claimed = tenant.claim_jobs(&wish, now, random).await.unwrap();
            let priorities: Vec<_> = claimed.jobs.iter().map(|job| job.priority).collect();
            (priorities, units() - before)
        }
    };
    let (normal, critical) = (Priority::Normal, Priority::Critical);
    let look = due.plus_millis(-500);
    assert_eq!(claim_at(look, 1).await, (vec![normal], 1.0));
    // The job is due, and has a second until somebody must notice.
    let busy = claim_at(look.plus_millis(999), 1).await;
    assert_eq!(busy, (vec![normal], 0.5));
    // Unless the line has too little without it.
    let short = claim_at(look.plus_millis(999), 2).await;
    assert_eq!(short, (vec![critical, normal], 1.0));
    enqueue(&store, &scope, Priority::Normal, NOW).await;
    let later = claim_at(look.plus_millis(3_000), 1).await;
    assert_eq!(later, (vec![normal], 1.0));
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
                origin: None,
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
