//! What the events of a hundred relays cost: ten thousand messages, each of which becomes a job, through the orchestrator in
//! this process. None is lost, and none makes two jobs.

use crate::report::Report;
use crate::tenant::NOW;
use crate::{on_disk, runtime};
use data_encoding::BASE64;
use domain::limits::Limits;
use domain::relay::Relay;
use ed25519_dalek::{Signer, SigningKey};
use orchestrator::{Orchestrator, Parts, PollReport};
use queues::{LocalQueues, Opener, Outgoing, Queue};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use store::{
    CredentialKind, JobFilter, KeyId, NewRelayEnrolment, NewRelayKey, Presented, Store, Tables,
    TenantScope, WriteId,
};
use telemetry::Meter;
use wire::relay::{Envelope, QueueReference, RelayName, signed_bytes};
use wire::{EventId, KeyName, QueueProvider, RelayId, TenantId};

const TENANTS: usize = 10;
const RELAYS: usize = 100;
const MESSAGES: usize = 10_000;

pub(crate) fn measure(report: &mut Report) {
    runtime().block_on(through(report));
}

async fn through(report: &mut Report) {
    let (_directory, engine) = on_disk();
    let store = Store::new(engine.client(), Tables::default(), Meter::default());
    store.create_tables().await.unwrap();
    let (queues, mut scopes) = (LocalQueues::default(), Vec::new());
    for number in 0..TENANTS {
        let tenant = TenantId::parse(&format!("tenant-{number}")).unwrap();
        scopes.push(store.create_tenant(&tenant, NOW).await.unwrap());
    }
    for number in 0..RELAYS {
        let sender = Sender::set_up(&store, &scopes[number % TENANTS], number).await;
        let queue = Queue::Local(queues.queue(&name(number)));
        for place in 0..MESSAGES / RELAYS {
            let message = sender.message(place);
            let message = Outgoing {
                body: &message,
                deduplication_id: "",
                subject: "hybrid-ci.event",
            };
            queue.send(message).await.unwrap();
        }
    }
    let orchestrator = Orchestrator::new(Parts {
        store: store.clone(),
        opener: Opener::local(queues.clone()),
        now: Arc::new(|| NOW),
        random: Arc::new(random),
        limits: Limits::default(),
    });
    let before = store.meter().total();
    let begun = Instant::now();
    let mut all = PollReport::default();
    while all.messages.enqueued < MESSAGES {
        let round = orchestrator.poll_once().await;
        assert!(round.messages.messages() > 0, "messages are lost: {all:?}");
        assert_eq!(
            (round.failed, round.errors, round.messages.postponed),
            (0, 0, 0)
        );
        all.messages.enqueued += round.messages.enqueued;
    }
    let took = begun.elapsed();
    nothing_is_lost(&store, &queues, &scopes).await;
    report.rate(
        "events a second that become jobs, 100 relays",
        MESSAGES,
        took,
    );
    let used = store.meter().total();
    let of_one = |units: f64| units / MESSAGES as f64;
    report.units(
        "write units: an event that becomes a job",
        of_one(used.write_units - before.write_units),
    );
    report.units(
        "read units: the same",
        of_one(used.read_units - before.read_units),
    );
    report.units(
        "requests of its queue: the same",
        of_one(orchestrator.queue_requests() as f64),
    );
}

/// Every message has made a job, and is gone.
async fn nothing_is_lost(store: &Store, queues: &LocalQueues, scopes: &[TenantScope]) {
    let (mut jobs, every) = (BTreeSet::new(), JobFilter::default());
    for scope in scopes {
        let tenant = store.tenant(scope);
        let mut after = None;
        loop {
            let page = tenant.jobs(&every, 100, after.as_ref()).await.unwrap();
            jobs.extend(page.jobs.into_iter().map(|job| job.job_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    assert_eq!(jobs.len(), MESSAGES);
    for number in 0..RELAYS {
        let queue = Queue::Local(queues.queue(&name(number)));
        let left = queue.attributes().await.unwrap();
        assert_eq!((left.waiting, left.in_flight), (Some(0), Some(0)));
    }
}

fn name(number: usize) -> String {
    format!("relay-{number}")
}

fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // An odd multiplier spreads the counter over all bits and stays one to one.
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}

fn key_id() -> KeyId {
    let mut bytes = [0; KeyId::LENGTH];
    bytes[..8].copy_from_slice(&random());
    KeyId::new(bytes)
}

fn write_id() -> WriteId {
    WriteId::new(random())
}

/// A relay that signs its messages.
struct Sender {
    relay_id: RelayId,
    key_id: KeyName,
    key: SigningKey,
}

impl Sender {
    async fn set_up(store: &Store, scope: &TenantScope, number: usize) -> Self {
        let tenant = store.tenant(scope);
        let mut random_id = [0; 10];
        random_id[..8].copy_from_slice(&random());
        let relay = Relay {
            relay_id: RelayId::new(NOW, random_id),
            name: RelayName::parse(&name(number)).unwrap(),
            inbound_queue: QueueReference {
                provider: QueueProvider::Local,
                address: name(number),
            },
            decision_queue: None,
            dead_letter_queue: None,
            role_arn: None,
            federation: None,
            external_id: format!("hcp-{}", "0".repeat(32)),
            vault: None,
            created_by: "bench".to_owned(),
            created_at: NOW,
            current_key: None,
            previous_key: None,
            heard: None,
            polled: None,
        };
        let enrolment = NewRelayEnrolment {
            key_id: key_id(),
            secret_sha256: [1; 32],
            relay_id: relay.relay_id.clone(),
            expires_at: NOW.plus_seconds(60),
            overlap_seconds: 0,
        };
        let created = tenant.create_relay(&relay, &enrolment, &write_id()).await;
        created.unwrap();
        let presented = Presented {
            kind: CredentialKind::Enrolment,
            key_id: enrolment.key_id,
            secret_sha256: enrolment.secret_sha256,
        };
        let with = store.relay_enrolment(&presented, NOW).await.unwrap();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&random());
        let key = SigningKey::from_bytes(&seed);
        let new = NewRelayKey {
            key_id: key_id(),
            public_key: key.verifying_key().to_bytes(),
            relay_id: relay.relay_id.clone(),
            expires_at: NOW.plus_seconds(3600),
        };
        let (with, id) = (with.unwrap(), write_id());
        let enrolled = tenant.enrol_relay(&with, &new, NOW, &id).await;
        enrolled.unwrap();
        let build = json!({"action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default"});
        let rules = json!({"tools": {"github": [{"when": {"branch": "main"}, "then": build}]}});
        let rules = serde_json::from_value(rules).unwrap();
        let put = tenant.put_routing(&relay.relay_id, &rules, 0, &id).await;
        put.unwrap();
        Self {
            relay_id: relay.relay_id,
            key_id: KeyName::parse(new.key_id.as_str()).unwrap(),
            key,
        }
    }

    fn message(&self, place: usize) -> String {
        let mut digest = [0; 16];
        digest[8..].copy_from_slice(&random());
        let event = json!({
            "event_id": EventId::from_digest(digest), "tool": "github", "event": "PUSH",
            "repository": "example/shop", "git_repo": "https://github.com/example/shop", "branch": "main",
            "commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "author": "octocat",
            "received_at": NOW, "body_bytes": 7_341,
            "commitment": {"algorithm": "SHA256", "digest": "ab".repeat(32)},
        });
        let payload = json!({
            "version": 1, "relay_id": self.relay_id, "instance": "0".repeat(32),
            "sequence": place + 1, "sent_at": NOW, "event": event,
        });
        let payload = payload.to_string();
        let signed = signed_bytes(&self.relay_id, &self.key_id, payload.as_bytes());
        let envelope = Envelope {
            version: 1,
            relay_id: self.relay_id.clone(),
            key_id: self.key_id.clone(),
            signature: BASE64.encode(&self.key.sign(&signed).to_bytes()),
            payload: BASE64.encode(payload.as_bytes()),
        };
        serde_json::to_string(&envelope).unwrap()
    }
}
