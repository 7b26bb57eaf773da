//! What goes back in line by itself.

use super::*;

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
