//! Answers that get lost, throttling, and deaths between any two calls.

use super::*;
use std::future::Future;
use std::task::Poll;

/// A store on the engine whose calls are counted, and which meets the fault at the call of that number.
fn faulty(engine: &Engine, fault: Fault, at: usize) -> (Store, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = engine.client_with(move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) == at {
            fault
        } else {
            Fault::None
        }
    });
    (on(&client, Tables::default()), calls)
}

async fn engine() -> (Engine, Store) {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    (engine, store)
}

/// A change as a person makes it: an intent, a pool, a record.
async fn create_pool(store: &Store, scope: &TenantScope, name: &str) -> Result<(), StoreError> {
    let tenant = store.tenant(scope);
    let mut draft = draft(Action::PoolCreate, &format!("pool:{name}"));
    draft.outcome = Outcome::Unknown;
    let intent = tenant.put_intent(&draft, &write_id()).await?;
    let pool = domain::pool::Pool::new(name.parse().unwrap(), NOW);
    tenant.create_pool(&pool, &write_id()).await?;
    draft.outcome = Outcome::Done;
    let completed = tenant
        .complete_intent(&intent, draft.clone(), NOW, &write_id())
        .await;
    if completed.is_err() {
        tenant.resolve_intent(&intent, &draft).await?;
    }
    Ok(())
}

/// What maintenance does a while later, and what is to hold then: the chain is whole, a pool that is there has one record,
/// and one that is not there has at most one, of unknown outcome.
async fn check(store: &Store, scope: &TenantScope, name: &str, context: &str) {
    let tenant = store.tenant(scope);
    let later = NOW.plus_seconds(120);
    tenant.complete_stale_intents(later, random).await.unwrap();
    assert_eq!(
        tenant.complete_stale_intents(later, random).await.unwrap(),
        0
    );
    let exists = tenant.pool(&name.parse().unwrap()).await.unwrap().is_some();
    let records = exported(store, scope).await;
    let resource = format!("pool:{name}");
    let outcomes: Vec<_> = records
        .iter()
        .filter(|record| record.resource == resource)
        .map(|record| record.outcome)
        .collect();
    match (exists, outcomes.as_slice()) {
        (true, [_]) | (false, [] | [Outcome::Unknown]) => {}
        other => panic!("{context}: {other:?}"),
    }
}

#[tokio::test]
async fn a_fault_at_any_call_leaves_one_record_of_what_was_done() {
    for fault in [Fault::Throttle, Fault::DropBefore, Fault::DropAfter] {
        for at in 0..8 {
            let (engine, clean) = engine().await;
            let scope = tenant("acme");
            append(&clean, &scope, "pool:first").await;
            let (store, calls) = faulty(&engine, fault, at);
            let done = create_pool(&store, &scope, "one").await.is_ok();
            let context = format!("{fault:?} at {at} of {calls:?}, done {done}");
            check(&clean, &scope, "one", &context).await;
            // The process goes on, whatever it remembers.
            create_pool(&store, &scope, "two").await.unwrap_or_default();
            check(&clean, &scope, "two", &context).await;
        }
    }
}

#[tokio::test]
async fn a_death_between_any_two_calls_leaves_one_record_of_what_was_done() {
    for at in 0..6 {
        let (engine, clean) = engine().await;
        let scope = tenant("acme");
        let (store, calls) = faulty(&engine, Fault::None, usize::MAX);
        // The call of that number is made, and nobody lives to see its answer.
        let mut change = std::pin::pin!(create_pool(&store, &scope, "one"));
        std::future::poll_fn(|context| {
            if calls.load(Ordering::SeqCst) > at {
                return Poll::Ready(());
            }
            change.as_mut().poll(context).map(|_| ())
        })
        .await;
        check(&clean, &scope, "one", &format!("death at {at}")).await;
    }
}

#[tokio::test]
async fn a_change_is_recorded_as_done_although_the_chain_could_not_be_written() {
    let (engine, clean) = engine().await;
    let scope = tenant("acme");
    let client = engine.client_with(|call| match call.operation {
        "TransactWriteItems" => Fault::Throttle,
        _ => Fault::None,
    });
    let store = on(&client, Tables::default());
    create_pool(&store, &scope, "one").await.unwrap();
    assert_eq!(exported(&clean, &scope).await, []);
    check(&clean, &scope, "one", "throttled").await;
    assert_eq!(exported(&clean, &scope).await[0].outcome, Outcome::Done);
}

#[tokio::test]
async fn a_harvest_that_meets_a_fault_at_any_call_is_made_good_by_the_next() {
    for fault in [Fault::Throttle, Fault::DropBefore, Fault::DropAfter] {
        for at in 0..12 {
            let (engine, clean) = engine().await;
            let scope = tenant("acme");
            let mut expected = Vec::new();
            for _ in 0..45 {
                let id = enqueue(&clean, &scope, NOW).await;
                expected.push(("job.enqueued".to_owned(), format!("job:{id}")));
            }
            let (store, _) = faulty(&engine, fault, at);
            let later = NOW.plus_seconds(240);
            let tenant = store.tenant(&scope);
            let first = tenant.harvest_audit(later, random).await;
            // The same process, which remembers what it believes; then another one.
            let second = tenant.harvest_audit(later, random).await;
            assert!(
                first.is_ok() || second.is_ok(),
                "{fault:?} at {at}: {first:?}, {second:?}"
            );
            clean
                .tenant(&scope)
                .harvest_audit(later, random)
                .await
                .unwrap();
            let records = exported(&clean, &scope).await;
            let mut seen: Vec<_> = what(&records)
                .into_iter()
                .map(|(action, resource)| (action.to_owned(), resource.to_owned()))
                .collect();
            seen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seen, expected, "{fault:?} at {at}");
        }
    }
}

/// An agent whose lease is over at [`LOST`].
async fn add_agent(store: &Store, scope: &TenantScope) -> domain::agent::Agent {
    let introduction = domain::agent::Introduction {
        pool_name: "default".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        hostname: None,
        os: None,
        arch: None,
        tags: wire::Tags::default(),
        max_concurrent_jobs: 1,
    };
    let agent = domain::agent::Agent::register(agent(), introduction, NOW);
    let owner = store.tenant(scope);
    owner.add_agent(&agent, &write_id()).await.unwrap();
    agent
}

const LOST: Timestamp = NOW.plus_seconds(60);

/// What is recorded a while after agents were declared lost.
async fn recorded_of_losses(store: &Store, scope: &TenantScope) -> Vec<Record> {
    let later = LOST.plus_seconds(240);
    let tenant = store.tenant(scope);
    tenant.complete_stale_intents(later, random).await.unwrap();
    exported(store, scope).await
}

#[tokio::test]
async fn the_loss_of_an_agent_is_recorded_once() {
    let (_engine, store) = engine().await;
    let scope = tenant("acme");
    let agent = add_agent(&store, &scope).await;
    for pass in 0..3 {
        store
            .sweep_all(LOST.plus_seconds(pass), random)
            .await
            .unwrap();
    }
    let records = recorded_of_losses(&store, &scope).await;
    let resource = format!("agent:{}", agent.agent_id);
    assert_eq!(what(&records), [("agent.lost", &*resource)]);
    assert_eq!(records[0].actor, "system:maintenance");
    assert_eq!(records[0].outcome, Outcome::Done);
}

#[tokio::test]
async fn whichever_call_of_a_sweep_fails_the_loss_of_an_agent_is_recorded() {
    for fault in [Fault::Throttle, Fault::DropBefore, Fault::DropAfter] {
        for at in 0..20 {
            let (engine, clean) = engine().await;
            let scope = tenant("acme");
            let agent = add_agent(&clean, &scope).await;
            let (store, _) = faulty(&engine, fault, at);
            let failed = store.sweep_all(LOST, random).await.is_err();
            let next = LOST.plus_seconds(2);
            clean.sweep_all(next, random).await.unwrap();
            let context = format!("{fault:?} at {at}, failed {failed}");
            let known = clean.tenant(&scope).agent(&agent.agent_id).await.unwrap();
            assert_eq!(known.unwrap().epoch, agent.epoch + 1, "{context}");
            let records = recorded_of_losses(&clean, &scope).await;
            let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
            let told = [
                &[Outcome::Done][..],
                // The answer was lost, of the loss or of the word that it was done.
                &[Outcome::Unknown],
                // The loss was not declared, and then it was.
                &[Outcome::Unknown, Outcome::Done],
            ];
            assert!(told.contains(&&*outcomes), "{context}: {outcomes:?}");
        }
    }
}

#[tokio::test]
async fn an_agent_is_declared_lost_once_that_can_be_recorded() {
    let (engine, clean) = engine().await;
    let scope = tenant("acme");
    let agent = add_agent(&clean, &scope).await;
    let client = engine.client_with(|call| match call.operation {
        "PutItem" => Fault::Throttle,
        _ => Fault::None,
    });
    let store = on(&client, Tables::default());
    let swept = store.sweep_all(LOST, random).await.unwrap();
    assert_eq!((swept.lost_agents, swept.failed), (0, 1));
    let swept = clean.sweep_all(LOST, random).await.unwrap();
    assert_eq!((swept.lost_agents, swept.failed), (1, 0));
    let known = clean.tenant(&scope).agent(&agent.agent_id).await.unwrap();
    assert_eq!(known.unwrap().epoch, agent.epoch + 1);
    assert_eq!(recorded_of_losses(&clean, &scope).await.len(), 1);
}
