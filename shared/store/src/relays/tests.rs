#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod events;
mod keys;
mod routing;

use super::*;
use crate::testing::{NOW, on, random, stores, tenant};
use crate::{CredentialKind, KeyId, Presented, Tables};
use embedded_dynamodb::{Engine, Fault};
use serde_json::{Value, json};
use wire::relay::{
    EventMetadata, QueueReference, RelayInstance, RelayName, RoleArn, RoutingDocument,
};
use wire::{EventId, EventOutcome, KeyName, QueueProvider};

const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/hybrid-ci";

fn write() -> WriteId {
    WriteId::new(random())
}

fn relay_id(number: u8) -> RelayId {
    RelayId::new(NOW, [number; 10])
}

fn relay(number: u8, role: Option<&str>) -> Relay {
    Relay {
        relay_id: relay_id(number),
        name: RelayName::parse("eu").unwrap(),
        inbound_queue: QueueReference {
            provider: QueueProvider::AwsSqs,
            address: "https://sqs.eu-central-1.amazonaws.com/123456789012/events".to_owned(),
        },
        decision_queue: None,
        dead_letter_queue: None,
        role_arn: role.map(|role| RoleArn::parse(role).unwrap()),
        federation: None,
        external_id: format!("hcp-{}", "0".repeat(32)),
        vault: None,
        created_by: "token:aaaaaaaaaaaa".to_owned(),
        created_at: NOW.plus_seconds(i64::from(number)),
        current_key: None,
        previous_key: None,
        heard: None,
        polled: None,
    }
}

fn key_id(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

fn enrolment(number: u8, id: &str) -> NewRelayEnrolment {
    NewRelayEnrolment {
        key_id: key_id(id),
        secret_sha256: [9; 32],
        relay_id: relay_id(number),
        expires_at: NOW.plus_seconds(3600),
        overlap_seconds: 60,
    }
}

fn presented(id: &str, secret: u8) -> Presented {
    Presented {
        kind: CredentialKind::Enrolment,
        key_id: key_id(id),
        secret_sha256: [secret; 32],
    }
}

fn new_key(number: u8, id: &str) -> NewRelayKey {
    NewRelayKey {
        key_id: key_id(id),
        public_key: [7; 32],
        relay_id: relay_id(number),
        expires_at: NOW.plus_seconds(365 * 24 * 3600),
    }
}

async fn create(
    store: &Store,
    scope: &TenantScope,
    number: u8,
    role: Option<&str>,
) -> RelayCreation {
    let enrolment = enrolment(number, &format!("enrolment0{number:02}"));
    let (relay, write) = (relay(number, role), write());
    let tenant = store.tenant(scope);
    let created = tenant.create_relay(&relay, &enrolment, &write);
    created.await.unwrap()
}

fn rules(target: &str) -> RoutingDocument {
    let rule = json!({"when": {}, "then": {"action": "NOTIFY", "target": target}});
    serde_json::from_value(json!({"tools": {"github": [rule]}})).unwrap()
}

fn metadata(number: u8, more: &Value) -> EventMetadata {
    let mut event = json!({
        "event_id": EventId::from_digest([number; 16]), "tool": "github", "event": "PUSH",
        "received_at": NOW.plus_seconds(i64::from(number)), "body_bytes": 10,
        "commitment": {"algorithm": "SHA256", "digest": "ab".repeat(32)},
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

fn event(of: u8, number: u8, outcome: EventOutcome) -> RecordedEvent {
    RecordedEvent {
        relay_id: relay_id(of),
        event: metadata(number, &json!({"branch": "main"})),
        instance: RelayInstance::parse(&"0".repeat(32)).unwrap(),
        sequence: u64::from(number),
        outcome,
        reason: None,
        rule: Some(0),
        routing_version: 1,
        action: None,
        job_id: None,
        acted_at: NOW.plus_seconds(60),
        is_done: true,
    }
}

#[tokio::test]
async fn relays_are_listed_newest_first_and_another_tenants_are_not_there() {
    for (engine, store) in stores().await {
        let (acme, other) = (tenant("acme"), tenant("other"));
        for number in 1..=3 {
            assert_eq!(
                create(&store, &acme, number, None).await,
                RelayCreation::Created
            );
        }
        let ids: Vec<_> = store.tenant(&acme).relays().await.unwrap();
        let ids: Vec<_> = ids.into_iter().map(|relay| relay.relay_id).collect();
        assert_eq!(ids, [relay_id(3), relay_id(2), relay_id(1)], "{engine}");
        assert_eq!(store.tenant(&other).relays().await.unwrap(), [], "{engine}");
        let theirs = store.tenant(&other).relay(&relay_id(1)).await.unwrap();
        assert_eq!(theirs, None, "{engine}");
        assert!(
            !store
                .tenant(&other)
                .delete_relay(&relay_id(1), &write())
                .await
                .unwrap()
        );
        assert!(
            store
                .tenant(&acme)
                .delete_relay(&relay_id(1), &write())
                .await
                .unwrap()
        );
        assert!(
            !store
                .tenant(&acme)
                .delete_relay(&relay_id(1), &write())
                .await
                .unwrap()
        );
        assert_eq!(
            store.tenant(&acme).relays().await.unwrap().len(),
            2,
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_role_belongs_to_one_organisation_even_after_its_relay_is_gone() {
    for (engine, store) in stores().await {
        let (acme, other) = (tenant("acme"), tenant("other"));
        let role = Some(ROLE_ARN);
        assert_eq!(create(&store, &acme, 1, role).await, RelayCreation::Created);
        assert_eq!(create(&store, &acme, 2, role).await, RelayCreation::Created);
        assert_eq!(
            create(&store, &other, 3, role).await,
            RelayCreation::RoleTaken,
            "{engine}"
        );
        assert_eq!(store.tenant(&other).relays().await.unwrap(), []);
        for number in [1, 2] {
            store
                .tenant(&acme)
                .delete_relay(&relay_id(number), &write())
                .await
                .unwrap();
        }
        assert_eq!(
            create(&store, &other, 4, role).await,
            RelayCreation::RoleTaken,
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_queue_without_a_role_belongs_to_one_organisation() {
    for (engine, store) in stores().await {
        let (acme, other) = (tenant("acme"), tenant("other"));
        assert_eq!(create(&store, &acme, 1, None).await, RelayCreation::Created);
        assert_eq!(create(&store, &acme, 2, None).await, RelayCreation::Created);
        let became = create(&store, &other, 3, None).await;
        assert_eq!(became, RelayCreation::QueueTaken, "{engine}");
        let became = create(&store, &other, 4, Some(ROLE_ARN)).await;
        assert_eq!(became, RelayCreation::Created, "{engine}");
    }
}

#[tokio::test]
async fn relays_with_a_role_are_polled() {
    for (engine, store) in stores().await {
        let (acme, other) = (tenant("acme"), tenant("other"));
        create(&store, &acme, 1, Some(ROLE_ARN)).await;
        create(&store, &acme, 2, None).await;
        create(
            &store,
            &other,
            3,
            Some("arn:aws:iam::123456789012:role/hybrid-ci-other"),
        )
        .await;
        let mut found = Vec::new();
        for shard in 0..POLL_SHARDS {
            let mut after = None;
            loop {
                let page = store.relays_to_poll(shard, after).await.unwrap();
                found.extend(page.relays.into_iter().map(|(_, relay)| relay));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        found.sort();
        assert_eq!(found, [relay_id(1), relay_id(3)], "{engine}");
    }
}

#[tokio::test]
async fn of_two_heartbeats_the_later_stays() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        create(&store, &acme, 1, None).await;
        let scope = store.tenant(&acme);
        let heard = |seconds: i64, sent: u64| Heard {
            at: NOW.plus_seconds(seconds),
            version: wire::relay::Label::parse("0.1.0").unwrap(),
            queue_reachable: true,
            vault_reachable: false,
            sent,
            refused: 0,
            duplicates: 0,
            queue_depth: Some(3),
        };
        assert!(
            scope
                .note_relay_heartbeat(&relay_id(1), &heard(60, 2))
                .await
                .unwrap()
        );
        assert!(
            scope
                .note_relay_heartbeat(&relay_id(1), &heard(0, 1))
                .await
                .unwrap()
        );
        assert!(
            !scope
                .note_relay_heartbeat(&relay_id(2), &heard(0, 1))
                .await
                .unwrap()
        );
        let failed = Polled {
            at: NOW,
            failure: Some("denied".to_owned()),
        };
        scope.note_relay_poll(&relay_id(1), &failed).await.unwrap();
        scope.note_relay_poll(&relay_id(2), &failed).await.unwrap();
        let relay = scope.relay(&relay_id(1)).await.unwrap().unwrap();
        assert_eq!(relay.heard, Some(heard(60, 2)), "{engine}");
        assert_eq!(relay.polled, Some(failed), "{engine}");
        assert_eq!(scope.relay(&relay_id(2)).await.unwrap(), None, "{engine}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_the_same_write() {
    let engine = Engine::memory().unwrap();
    let store = on(&engine.client(), Tables::default());
    store.create_tables().await.unwrap();
    let flaky = engine.client_with(|call| match call.operation {
        "TransactWriteItems" | "PutItem" => Fault::DropAfter,
        _ => Fault::None,
    });
    let flaky = on(&flaky, Tables::default());
    let acme = tenant("acme");
    let (lost, scope) = (flaky.tenant(&acme), store.tenant(&acme));
    let busy = |error: StoreError| assert!(matches!(error, StoreError::Busy { .. }), "{error}");

    let (new, token, id) = (
        relay(1, Some(ROLE_ARN)),
        enrolment(1, "enrolment001"),
        write(),
    );
    busy(lost.create_relay(&new, &token, &id).await.unwrap_err());
    let created = scope.create_relay(&new, &token, &id).await.unwrap();
    assert_eq!(created, RelayCreation::Created);

    let (document, id) = (rules("a"), write());
    busy(
        lost.put_routing(&relay_id(1), &document, 0, &id)
            .await
            .unwrap_err(),
    );
    let put = scope.put_routing(&relay_id(1), &document, 0, &id).await;
    assert_eq!(put.unwrap(), RoutingOutcome::Written(1));
    let another = scope
        .put_routing(&relay_id(1), &document, 0, &write())
        .await;
    assert_eq!(another.unwrap(), RoutingOutcome::Stale);

    let with = store
        .relay_enrolment(&presented("enrolment001", 9), NOW)
        .await;
    let (with, new, id) = (with.unwrap().unwrap(), new_key(1, "firstkey0001"), write());
    busy(lost.enrol_relay(&with, &new, NOW, &id).await.unwrap_err());
    let enrolled = scope.enrol_relay(&with, &new, NOW, &id).await.unwrap();
    assert_eq!(enrolled, RelayKeyRotation::Added);

    let (ignored, id) = (event(1, 1, EventOutcome::Ignored), write());
    busy(lost.record_event(&ignored, &id).await.unwrap_err());
    assert_eq!(scope.record_event(&ignored, &id).await.unwrap(), None);
}
