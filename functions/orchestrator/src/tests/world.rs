//! A control plane with relays, and what relays put on their queues.

use crate::tests::faults::QueueFaults;
use crate::{Orchestrator, Parts};
use data_encoding::BASE64;
use domain::job::Job;
use domain::limits::Limits;
use domain::relay::Relay;
use ed25519_dalek::{Signer, SigningKey};
use embedded_dynamodb::{Call, Engine, Fault};
use queues::{LocalQueues, Message, Opener, Outgoing, Queue};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use store::{
    CredentialKind, JobFilter, KeyId, NewRelayEnrolment, NewRelayKey, Presented, RecordedEvent,
    RelayCreation, RelayKeyRotation, RoutingOutcome, Store, Tables, TenantScope, WriteId,
};
use wire::relay::{Decision, Envelope, QueueReference, RelayName, RoleArn, signed_bytes};
use wire::{EventId, KeyName, QueueProvider, RelayId, TenantId, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// In seconds: longer than a queue in this process hides what was received.
pub(crate) const VISIBLE_AGAIN: u64 = 31;
pub(crate) const COMMIT: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) queues: LocalQueues,
    pub(crate) clock: Arc<AtomicI64>,
}

/// A relay, and the key that it signs with.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) scope: TenantScope,
    pub(crate) relay: Relay,
    pub(crate) key_id: KeyName,
    pub(crate) key: SigningKey,
}

pub(crate) fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}

pub(crate) fn write() -> WriteId {
    WriteId::new(random())
}

pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        let drawn = random();
        chunk.copy_from_slice(&drawn[8 - chunk.len()..]);
    }
    bytes
}

pub(crate) fn local(name: &str) -> QueueReference {
    QueueReference {
        provider: QueueProvider::Local,
        address: name.to_owned(),
    }
}

/// A relay's queues: inbound, for decisions, for what is not believed.
pub(crate) type Queues = (
    QueueReference,
    Option<QueueReference>,
    Option<QueueReference>,
);

impl World {
    pub(crate) async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = on(&engine, |_| Fault::None);
        store.create_tables().await.unwrap();
        Self {
            engine,
            store,
            queues: LocalQueues::default(),
            clock: Arc::new(AtomicI64::new(NOW.as_millis())),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// Time passes, for queues too. The test has stopped tokio's clock.
    pub(crate) async fn advance(&self, seconds: u64) {
        self.clock
            .fetch_add(i64::try_from(seconds).unwrap() * 1000, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// What a new process is made of.
    pub(crate) fn parts(
        &self,
        policy: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static,
    ) -> Parts {
        let clock = Arc::clone(&self.clock);
        Parts {
            store: on(&self.engine, policy),
            opener: Opener::local(self.queues.clone()),
            now: Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst))),
            random: Arc::new(random),
            limits: Limits::default(),
        }
    }

    /// A new process.
    pub(crate) fn orchestrator(&self) -> Orchestrator {
        Orchestrator::new(self.parts(|_| Fault::None))
    }

    /// A new process whose calls of queues meet faults.
    pub(crate) fn with_faults(&self) -> (Orchestrator, QueueFaults) {
        let orchestrator = self.orchestrator();
        let faults = orchestrator.doors.faults.clone();
        (orchestrator, faults)
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantScope {
        let tenant = TenantId::parse(name).unwrap();
        self.store.create_tenant(&tenant, NOW).await.unwrap()
    }

    /// A relay with queues in this process that are named after it.
    pub(crate) async fn relay(&self, scope: &TenantScope, name: &str) -> Sender {
        let queues = (
            local(&format!("{name}-in")),
            Some(local(&format!("{name}-out"))),
        );
        self.relay_with(scope, name, queues, None).await
    }

    pub(crate) async fn relay_with(
        &self,
        scope: &TenantScope,
        name: &str,
        (inbound_queue, decision_queue): (QueueReference, Option<QueueReference>),
        role: Option<&str>,
    ) -> Sender {
        let queues = (inbound_queue, decision_queue, None);
        self.relay_on(scope, name, queues, role).await
    }

    /// A relay as `relay`, with a queue for what is not believed.
    pub(crate) async fn relay_with_dead_letters(&self, scope: &TenantScope, name: &str) -> Sender {
        let queues = (
            local(&format!("{name}-in")),
            None,
            Some(local(&format!("{name}-dead"))),
        );
        self.relay_on(scope, name, queues, None).await
    }

    pub(crate) async fn relay_on(
        &self,
        scope: &TenantScope,
        name: &str,
        (inbound_queue, decision_queue, dead_letter_queue): Queues,
        role: Option<&str>,
    ) -> Sender {
        let relay = Relay {
            relay_id: RelayId::new(NOW, bytes()),
            name: RelayName::parse(name).unwrap(),
            inbound_queue,
            decision_queue,
            dead_letter_queue,
            role_arn: role.map(|role| RoleArn::parse(role).unwrap()),
            federation: None,
            external_id: format!("hcp-{}", "0".repeat(32)),
            vault: None,
            created_by: "token:aaaaaaaaaaaa".to_owned(),
            created_at: NOW,
            current_key: None,
            previous_key: None,
            heard: None,
            polled: None,
        };
        let enrolment = NewRelayEnrolment {
            key_id: KeyId::new(bytes()),
            secret_sha256: [9; 32],
            relay_id: relay.relay_id.clone(),
            expires_at: self.now().plus_seconds(3600),
            overlap_seconds: 60,
        };
        let tenant = self.store.tenant(scope);
        let created = tenant.create_relay(&relay, &enrolment, &write()).await;
        assert_eq!(created.unwrap(), RelayCreation::Created);
        let (key_id, key) = self.enrol(scope, &enrolment).await;
        Sender {
            scope: scope.clone(),
            relay,
            key_id,
            key,
        }
    }

    /// Brings a key with a token.
    async fn enrol(
        &self,
        scope: &TenantScope,
        enrolment: &NewRelayEnrolment,
    ) -> (KeyName, SigningKey) {
        let presented = Presented {
            kind: CredentialKind::Enrolment,
            key_id: enrolment.key_id.clone(),
            secret_sha256: enrolment.secret_sha256,
        };
        let with = self.store.relay_enrolment(&presented, self.now()).await;
        let with = with.unwrap().unwrap();
        let key = SigningKey::from_bytes(&bytes());
        let new = NewRelayKey {
            key_id: KeyId::new(bytes()),
            public_key: key.verifying_key().to_bytes(),
            relay_id: enrolment.relay_id.clone(),
            expires_at: self.now().plus_seconds(365 * 24 * 3600),
        };
        let tenant = self.store.tenant(scope);
        let enrolled = tenant.enrol_relay(&with, &new, self.now(), &write()).await;
        assert_eq!(enrolled.unwrap(), RelayKeyRotation::Added);
        (KeyName::parse(new.key_id.as_str()).unwrap(), key)
    }

    /// Another key for a relay. What it had is good for the overlap.
    pub(crate) async fn rotate(&self, sender: &Sender, overlap_seconds: i64) -> Sender {
        let enrolment = NewRelayEnrolment {
            key_id: KeyId::new(bytes()),
            secret_sha256: [9; 32],
            relay_id: sender.relay.relay_id.clone(),
            expires_at: self.now().plus_seconds(3600),
            overlap_seconds,
        };
        let tenant = self.store.tenant(&sender.scope);
        let id = write();
        let made = tenant.create_relay_enrolment(&enrolment, self.now(), &id);
        assert!(made.await.unwrap());
        let (key_id, key) = self.enrol(&sender.scope, &enrolment).await;
        Sender {
            key_id,
            key,
            ..sender.clone()
        }
    }

    /// Rules for the tool github, over those that were there.
    pub(crate) async fn rules(&self, sender: &Sender, rules: Value) {
        let tenant = self.store.tenant(&sender.scope);
        let relay = &sender.relay.relay_id;
        let seen = tenant.routing(relay).await.unwrap().version;
        let document = serde_json::from_value(json!({"tools": {"github": rules}})).unwrap();
        let put = tenant.put_routing(relay, &document, seen, &write()).await;
        assert_eq!(put.unwrap(), RoutingOutcome::Written(seen + 1));
    }

    pub(crate) fn queue(&self, name: &str) -> Queue {
        Queue::Local(self.queues.queue(name))
    }

    /// Puts a message on a relay's queue.
    pub(crate) async fn put(&self, sender: &Sender, body: &str) {
        let message = Outgoing {
            body,
            deduplication_id: "",
            subject: "hybrid-ci.event",
        };
        let queue = self.queue(&sender.relay.inbound_queue.address);
        queue.send(message).await.unwrap();
    }

    /// All jobs of an organisation.
    pub(crate) async fn jobs(&self, scope: &TenantScope) -> Vec<Job> {
        let (tenant, all) = (self.store.tenant(scope), JobFilter::default());
        let (mut jobs, mut after) = (Vec::new(), None);
        loop {
            let page = tenant.jobs(&all, 100, after.as_ref()).await.unwrap();
            jobs.extend(page.jobs);
            after = page.next;
            if after.is_none() {
                return jobs;
            }
        }
    }

    pub(crate) async fn event(&self, sender: &Sender, id: &EventId) -> Option<RecordedEvent> {
        let tenant = self.store.tenant(&sender.scope);
        tenant.event(&sender.relay.relay_id, id).await.unwrap()
    }

    /// What is on a relay's decision queue and was not looked at before.
    pub(crate) async fn decisions(&self, sender: &Sender) -> Vec<Decision> {
        let address = &sender.relay.decision_queue.as_ref().unwrap().address;
        let mut decisions = Vec::new();
        for message in drain(&self.queue(address)).await {
            decisions.push(serde_json::from_str(&message.body).unwrap());
        }
        decisions
    }

    /// How many messages are on a relay's queue, those that are hidden included.
    pub(crate) async fn left(&self, sender: &Sender) -> u64 {
        let queue = self.queue(&sender.relay.inbound_queue.address);
        let attributes = queue.attributes().await.unwrap();
        attributes.waiting.unwrap() + attributes.in_flight.unwrap()
    }
}

async fn drain(queue: &Queue) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(10, Duration::ZERO).await.unwrap();
        if some.is_empty() {
            return all;
        }
        for message in &some {
            queue.delete(&message.receipt).await.unwrap();
        }
        all.extend(some);
    }
}

fn on(engine: &Engine, policy: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static) -> Store {
    let client = engine.client_with(policy);
    Store::new(client, Tables::default(), telemetry::Meter::default())
}

impl Sender {
    /// What it says of a push, with other fields or in other words.
    pub(crate) fn event(&self, number: u64, more: &Value) -> Value {
        let mut digest = [7; 16];
        digest[8..].copy_from_slice(&number.to_be_bytes());
        let mut event = json!({
            "event_id": EventId::from_digest(digest), "tool": "github", "event": "PUSH",
            "repository": "example/shop", "git_repo": "https://git.example.com/shop",
            "branch": "main", "commit_sha": COMMIT, "author": "octocat",
            "received_at": NOW, "body_bytes": 10,
            "commitment": {"algorithm": "SHA256", "digest": "ab".repeat(32)},
        });
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        json!({
            "version": 1, "relay_id": self.relay.relay_id, "instance": "0".repeat(32),
            "sequence": number + 1, "sent_at": NOW, "event": event,
        })
    }

    /// The message with that payload, signed.
    pub(crate) fn message(&self, payload: &Value) -> String {
        self.message_of(payload.to_string().as_bytes())
    }

    pub(crate) fn message_of(&self, payload: &[u8]) -> String {
        let relay = &self.relay.relay_id;
        let signature = self.key.sign(&signed_bytes(relay, &self.key_id, payload));
        let envelope = Envelope {
            version: 1,
            relay_id: relay.clone(),
            key_id: self.key_id.clone(),
            payload: BASE64.encode(payload),
            signature: BASE64.encode(&signature.to_bytes()),
        };
        serde_json::to_string(&envelope).unwrap()
    }

    /// The message of a push.
    pub(crate) fn push(&self, number: u64) -> String {
        self.message(&self.event(number, &json!({})))
    }
}

/// The id of the event of that number.
pub(crate) fn event_id(number: u64) -> EventId {
    let mut digest = [7; 16];
    digest[8..].copy_from_slice(&number.to_be_bytes());
    EventId::from_digest(digest)
}

pub(crate) fn build() -> Value {
    json!([{"when": {"event": "PUSH"}, "then": {"action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default"}}])
}

pub(crate) fn notify() -> Value {
    json!([{"when": {}, "then": {"action": "NOTIFY", "target": "releases"}}])
}

pub(crate) fn ignore() -> Value {
    json!([{"when": {}, "then": {"action": "IGNORE"}}])
}
