//! Revocations that are cut off.

use super::registration::register;
use super::*;
use domain::agent::Session;

#[tokio::test]
async fn a_revocation_that_is_cut_off_is_finished_by_maintenance() {
    let (engine, store) = store().await;
    let scope = acme();
    let tenant = store.tenant(&scope);
    tenant
        .create_agent_key(&agent_key("keykeykeykey"), NOW)
        .await
        .unwrap();
    let agents = [agent(1), agent(2), agent(3)];
    for number in 1..=3 {
        let by = ("keykeykeykey", number);
        assert!(register(&store, by, &Proof::Key, NOW).await.unwrap());
    }
    let ended = async || {
        let mut ended = 0;
        for id in &agents {
            let agent = store.tenant(&scope).agent(id).await.unwrap().unwrap();
            ended += usize::from(matches!(agent.session, Session::Ended { .. }));
        }
        ended
    };
    // The key is marked and the first agent ended, and then DynamoDB is out of reach.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let client = engine.client_with(move |call| match call.operation {
        "DeleteItem" if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 => {
            Fault::DropBefore
        }
        _ => Fault::None,
    });
    let flaky = Store::new(client, Tables::default(), telemetry::Meter::default());
    let cut_off = flaky
        .tenant(&scope)
        .revoke_credential(&key_id("keykeykeykey"), "test", NOW, random)
        .await;
    assert!(matches!(cut_off, Err(StoreError::Busy { .. })));
    assert_eq!(ended().await, 2);

    assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 1);
    assert_eq!(ended().await, 3);
    assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 0);
}

#[tokio::test]
async fn a_revocation_that_cannot_be_finished_does_not_keep_others_from_it() {
    let (engine, store) = store().await;
    let scope = acme();
    let tenant = store.tenant(&scope);
    let keys = ["keykeykeykea", "keykeykeykeb", "keykeykeykec"];
    let cut_off = Store::new(
        engine.client_with(|call| match call.operation {
            "Query" => Fault::DropBefore,
            _ => Fault::None,
        }),
        Tables::default(),
        telemetry::Meter::default(),
    );
    for (number, id) in (1..).zip(keys) {
        tenant.create_agent_key(&agent_key(id), NOW).await.unwrap();
        assert!(
            register(&store, (id, number), &Proof::Key, NOW)
                .await
                .unwrap()
        );
        let revoked = cut_off
            .tenant(&scope)
            .revoke_credential(&key_id(id), "test", NOW, random)
            .await;
        assert!(revoked.is_err());
    }
    // The sessions of the first of them cannot be read.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let client = engine.client_with(move |call| match call.operation {
        "Query" if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 => {
            Fault::DropBefore
        }
        _ => Fault::None,
    });
    let flaky = Store::new(client, Tables::default(), telemetry::Meter::default());
    let half = flaky.tenant(&scope).finish_revocations(NOW, random).await;
    assert!(matches!(half, Err(StoreError::Busy { .. })));
    assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 1);
    assert_eq!(tenant.finish_revocations(NOW, random).await.unwrap(), 0);
}
