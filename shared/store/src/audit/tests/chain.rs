//! The chain: appended to by many at once, verified whole.

use super::*;
use std::collections::BTreeSet;
use std::future::Future;

#[tokio::test]
async fn records_follow_one_another_and_are_exported_as_they_are_kept() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        assert_eq!(exported(&store, &scope).await, [], "{engine}");
        let tenant = store.tenant(&scope);
        assert_eq!(tenant.audit_head().await.unwrap(), Link::start());
        append(&store, &scope, "pool:one").await;
        let two = [
            draft(Action::PoolDelete, "pool:one"),
            draft(Action::PoolCreate, "pool:two"),
        ];
        tenant.append_records(&two, NOW, &write_id()).await.unwrap();
        let records = exported(&store, &scope).await;
        assert_eq!(
            what(&records),
            [
                ("pool.update", "pool:one"),
                ("pool.delete", "pool:one"),
                ("pool.create", "pool:two")
            ],
            "{engine}"
        );
        assert_eq!(records[0].tenant_id.as_str(), "acme");
        assert_eq!(records[0].request_id.as_deref(), Some("request-1"));
        assert_eq!(tenant.audit_head().await.unwrap(), records[2].link());
    }
}

/// How many functions write at once, and how much.
const FUNCTIONS: usize = 16;
const EACH: usize = 20;

/// Every function writes with a store of its own. What the chain has afterwards.
async fn at_once<F: Future<Output = ()> + Send + 'static>(
    store: &Store,
    scope: &TenantScope,
    write: impl Fn(Store, TenantScope, String) -> F + Clone + Send + 'static,
) {
    let tasks: Vec<_> = (0..FUNCTIONS)
        .map(|function| {
            let (store, scope, write) = (another(store), scope.clone(), write.clone());
            tokio::spawn(async move {
                for place in 0..EACH {
                    let resource = format!("pool:{function}-{place}");
                    write(store.clone(), scope.clone(), resource).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn resources(records: &[Record]) -> BTreeSet<&str> {
    records.iter().map(|record| &*record.resource).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_functions_that_write_at_once_lose_nothing() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        at_once(&store, &scope, |store, scope, resource| async move {
            append(&store, &scope, &resource).await;
        })
        .await;
        let records = exported(&store, &scope).await;
        assert_eq!(records.len(), FUNCTIONS * EACH, "{engine}");
        assert_eq!(resources(&records).len(), FUNCTIONS * EACH, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_sixteen_functions_do_at_once_is_recorded_by_them_or_by_maintenance() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        at_once(&store, &scope, |store, scope, resource| async move {
            let draft = draft(Action::PoolUpdate, &resource);
            let tenant = store.tenant(&scope);
            let mut unknown = draft.clone();
            unknown.outcome = Outcome::Unknown;
            let intent = tenant.put_intent(&unknown, &write_id()).await.unwrap();
            let completed = tenant
                .complete_intent(&intent, draft.clone(), NOW, &write_id())
                .await;
            if completed.is_err() {
                tenant.resolve_intent(&intent, &draft).await.unwrap();
            }
        })
        .await;
        stale(&store, &scope).await;
        assert_eq!(stale(&store, &scope).await, 0, "{engine}");
        let records = exported(&store, &scope).await;
        assert_eq!(records.len(), FUNCTIONS * EACH, "{engine}");
        assert_eq!(resources(&records).len(), FUNCTIONS * EACH, "{engine}");
        assert!(records.iter().all(|record| record.outcome == Outcome::Done));
    }
}

/// How many intents maintenance finds a minute later.
async fn stale(store: &Store, scope: &TenantScope) -> usize {
    let tenant = store.tenant(scope);
    let later = NOW.plus_seconds(61);
    tenant.complete_stale_intents(later, random).await.unwrap()
}

#[tokio::test]
async fn a_process_that_has_not_written_for_long_finds_the_end() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let behind = another(&store);
        append(&behind, &scope, "pool:first").await;
        for place in 0..30 {
            append(&store, &scope, &format!("pool:{place}")).await;
        }
        let races = behind.meter().total().lost_races;
        append(&behind, &scope, "pool:last").await;
        // It meets the page after its own, reads where the end is, and is there.
        assert_eq!(behind.meter().total().lost_races - races, 2, "{engine}");
        let records = exported(&store, &scope).await;
        assert_eq!((records.len(), &*records[31].resource), (32, "pool:last"));
    }
}

#[tokio::test]
async fn an_intent_that_nobody_ended_is_recorded_after_a_minute_and_once() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let mut unknown = draft(Action::PoolDelete, "pool:one");
        unknown.outcome = Outcome::Unknown;
        let intent = tenant.put_intent(&unknown, &write_id()).await.unwrap();
        let soon = NOW.plus_seconds(59);
        let recorded = tenant.complete_stale_intents(soon, random).await.unwrap();
        assert_eq!((recorded, exported(&store, &scope).await.len()), (0, 0));
        assert_eq!(stale(&store, &scope).await, 1, "{engine}");
        assert_eq!(stale(&store, &scope).await, 0, "{engine}");
        // Whoever was frozen meanwhile finds that there is nothing left to do.
        let done = draft(Action::PoolDelete, "pool:one");
        tenant
            .complete_intent(&intent, done.clone(), NOW, &write_id())
            .await
            .unwrap();
        tenant.resolve_intent(&intent, &done).await.unwrap();
        tenant.drop_intent(&intent).await.unwrap();
        assert_eq!(stale(&store, &scope).await, 0, "{engine}");
        let records = exported(&store, &scope).await;
        assert_eq!(records.len(), 1, "{engine}");
        assert_eq!(records[0].outcome, Outcome::Unknown, "{engine}");
    }
}

#[tokio::test]
async fn an_intent_that_was_resolved_is_recorded_as_done() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let mut unknown = draft(Action::PoolDelete, "pool:one");
        unknown.outcome = Outcome::Unknown;
        let intent = tenant.put_intent(&unknown, &write_id()).await.unwrap();
        let done = draft(Action::PoolDelete, "pool:one");
        tenant.resolve_intent(&intent, &done).await.unwrap();
        assert_eq!(stale(&store, &scope).await, 1, "{engine}");
        let records = exported(&store, &scope).await;
        assert_eq!((records.len(), records[0].outcome), (1, Outcome::Done));
    }
}

#[tokio::test]
async fn many_stale_intents_are_recorded_by_two_passes_at_once_and_each_once() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let mut broken = key(scope.audit_intents(), "1600000000000#broken");
        broken.insert("draft".to_owned(), crate::call::string("{"));
        store
            .client
            .put_item()
            .table_name(store.tables.name(TableKind::Audit))
            .set_item(Some(broken))
            .send()
            .await
            .unwrap();
        for place in 0..130 {
            let draft = draft(Action::PoolUpdate, &format!("pool:{place}"));
            let tenant = store.tenant(&scope);
            tenant.put_intent(&draft, &write_id()).await.unwrap();
        }
        let other = another(&store);
        let (one, two) = tokio::join!(stale(&store, &scope), stale(&other, &scope));
        assert_eq!(one + two, 130, "{engine}");
        let records = exported(&store, &scope).await;
        assert_eq!(records.len(), 130, "{engine}");
        assert_eq!(resources(&records).len(), 130, "{engine}");
    }
}

#[tokio::test]
async fn a_recorded_change_costs_its_intent_and_a_transaction() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        append(&store, &scope, "pool:first").await;
        let before = store.meter().total();
        let tenant = store.tenant(&scope);
        let draft = draft(Action::PoolUpdate, "pool:one");
        let intent = tenant.put_intent(&draft, &write_id()).await.unwrap();
        tenant
            .complete_intent(&intent, draft, NOW, &write_id())
            .await
            .unwrap();
        let after = store.meter().total();
        // One for the intent; twice what the page and the end of the intent take, because they are one transaction.
        let units = vec![
            after.write_units - before.write_units,
            after.read_units - before.read_units,
        ];
        assert_eq!(units, [5.0, 0.0], "{engine}");
    }
}
