//! Items that no other story has written: counts, and all that there is of relays.

use crate::compat::{Items, export};
use domain::limits::RequestClass;
use domain::relay::{Heard, Polled, Relay};
use embedded_dynamodb::Engine;
use serde_json::{Value, json};
use store::{
    CredentialKind, KeyId, NewRelayEnrolment, NewRelayKey, Presented, RecordedEvent, RelayCreation,
    RelayKeyRotation, Store, Tables, TenantScope, WriteId,
};
use telemetry::Meter;
use wire::relay::{QueueReference, RelayName, RoleArn};
use wire::{EventOutcome, QueueProvider, RelayId, TenantId, Timestamp};

const ROLE: &str = "arn:aws:iam::123456789012:role/hybrid-ci";
const NOW: Timestamp = Timestamp::from_millis(1_767_600_000_000);

fn write_id() -> WriteId {
    WriteId::new([1; 8])
}

fn relay(number: u8, federation: &Value) -> Relay {
    let queue = |name: &str| {
        let address = format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}");
        QueueReference {
            provider: QueueProvider::AwsSqs,
            address,
        }
    };
    Relay {
        relay_id: RelayId::new(NOW, [number; 10]),
        name: RelayName::parse("eu").unwrap(),
        inbound_queue: queue("events"),
        decision_queue: Some(queue("decisions")),
        dead_letter_queue: Some(queue("refused")),
        // One without a role lets the control plane in by its queue's own policy.
        role_arn: (number != 3).then(|| RoleArn::parse(ROLE).unwrap()),
        federation: serde_json::from_value(federation.clone()).unwrap(),
        external_id: format!("hcp-{}", "0".repeat(32)),
        vault: Some(serde_json::from_value(json!("aws-secrets-manager://hybrid-ci")).unwrap()),
        created_by: "token:aaaaaaaaaaaa".to_owned(),
        created_at: NOW,
        current_key: None,
        previous_key: None,
        heard: None,
        polled: None,
    }
}

/// An event with everything that one can have.
fn event(relay: &RelayId, action: &Value) -> RecordedEvent {
    let event = json!({
        "event_id": "evt-01KE6JQ300CT2T6RGJPTW4F9DF", "tool": "github", "event": "PUSH", "action": "opened",
        "repository": "example/shop", "git_repo": "https://github.com/example/shop", "branch": "main", "tag": "v1",
        "commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "author": "octocat", "number": 7,
        "status": "success", "severity": "critical", "environment": "staging", "path_classes": ["docs"],
        "received_at": NOW, "body_bytes": 7000,
        "commitment": { "algorithm": "SHA256", "digest": "0".repeat(64) },
    });
    RecordedEvent {
        relay_id: relay.clone(),
        event: serde_json::from_value(event).unwrap(),
        instance: serde_json::from_value(json!("0".repeat(32))).unwrap(),
        sequence: 1,
        outcome: EventOutcome::Refused,
        reason: Some("no_commit".to_owned()),
        rule: Some(0),
        action: serde_json::from_value(action.clone()).unwrap(),
        is_done: false,
        routing_version: 1,
        job_id: Some(serde_json::from_value(json!("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE")).unwrap()),
        acted_at: NOW,
    }
}

async fn tell_of_relay(store: &Store, scope: &TenantScope, relay: &Relay, number: u8) {
    let tenant = store.tenant(scope);
    let id = &relay.relay_id;
    let key_id = |text: &str| KeyId::parse(&format!("{text}{number:02}")).unwrap();
    let enrolment = NewRelayEnrolment {
        key_id: key_id("enrolment0"),
        secret_sha256: [9; 32],
        relay_id: id.clone(),
        expires_at: NOW.plus_seconds(3600),
        overlap_seconds: 60,
    };
    let created = tenant.create_relay(relay, &enrolment, &write_id()).await;
    assert_eq!(created.unwrap(), RelayCreation::Created);
    let presented = Presented {
        kind: CredentialKind::Enrolment,
        key_id: enrolment.key_id,
        secret_sha256: enrolment.secret_sha256,
    };
    let with = store
        .relay_enrolment(&presented, NOW)
        .await
        .unwrap()
        .unwrap();
    let key = NewRelayKey {
        key_id: key_id("relaykey00"),
        public_key: [7; 32],
        relay_id: id.clone(),
        expires_at: NOW.plus_seconds(3600),
    };
    let enrolled = tenant.enrol_relay(&with, &key, NOW, &write_id()).await;
    assert_eq!(enrolled.unwrap(), RelayKeyRotation::Added);
    let heard = Heard {
        at: NOW,
        version: serde_json::from_value(json!("0.1.0")).unwrap(),
        queue_reachable: true,
        vault_reachable: true,
        sent: 1,
        refused: 0,
        duplicates: 0,
        queue_depth: Some(0),
    };
    assert!(tenant.note_relay_heartbeat(id, &heard).await.unwrap());
    let polled = Polled {
        at: NOW,
        failure: Some("denied".to_owned()),
    };
    tenant.note_relay_poll(id, &polled).await.unwrap();
    let rules = json!({ "tools": { "github": [{ "then": { "action": "IGNORE" } }] } });
    let rules = serde_json::from_value(rules).unwrap();
    tenant
        .put_routing(id, &rules, 0, &write_id())
        .await
        .unwrap();
    let action = match number {
        1 => {
            json!({ "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default", "priority": "HIGH" })
        }
        _ => json!({ "action": "DECIDE", "target": "deploy" }),
    };
    let event = event(id, &action);
    tenant.record_event(&event, &write_id()).await.unwrap();
}

/// All of them.
pub(super) async fn items() -> Items {
    let engine = Engine::memory().unwrap();
    let store = Store::new(engine.client(), Tables::default(), Meter::default());
    store.create_tables().await.unwrap();
    let tenant = TenantId::parse("acme").unwrap();
    let scope = store.create_tenant(&tenant, NOW).await.unwrap();
    let counted = store.tenant(&scope);
    let counted = counted.share_requests(RequestClass::People, 7, 1).await;
    counted.unwrap();
    let from = "203.0.113.7".parse().unwrap();
    store.share_sign_ins(from, 7, 1).await.unwrap();
    let azure = json!({
        "kind": "AZURE", "directory_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "client_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    });
    let pool = "projects/1/locations/global/workloadIdentityPools/hybrid-ci/providers/plane";
    let gcp = json!({
        "kind": "GCP", "workload_provider": pool, "service_account": "hybrid-ci@example.iam.gserviceaccount.com",
    });
    for (number, federation) in [(1, azure), (2, gcp), (3, Value::Null)] {
        let relay = relay(number, &federation);
        tell_of_relay(&store, &scope, &relay, number).await;
    }
    export(&engine.client()).await
}
