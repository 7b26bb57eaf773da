//! A relay as far as the control plane knows: its record, its key, its rules, and the messages that it signs.

use auth::Api;
use data_encoding::BASE64;
use domain::relay::Relay;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use store::{
    CredentialKind, KeyId, NewRelayEnrolment, NewRelayKey, Presented, RelayCreation,
    RelayKeyRotation, RoutingOutcome,
};
use wire::relay::{Envelope, QueueReference, RelayName, signed_bytes};
use wire::{EventId, KeyName, RelayId, TenantId, Timestamp};

/// Whoever signs messages as a relay.
pub(crate) struct Sender {
    relay_id: RelayId,
    key_id: KeyName,
    key: SigningKey,
}

impl Sender {
    /// Sets up a relay of that organisation, with those queues and rules, and gives it a key.
    pub(crate) async fn set_up(
        api: &Api,
        organisation: &str,
        (inbound_queue, decision_queue): (QueueReference, Option<QueueReference>),
        rules: Value,
    ) -> Self {
        let now = api.now();
        let organisation = TenantId::parse(organisation).unwrap();
        let scope = api.store.create_tenant(&organisation, now).await.unwrap();
        let tenant = api.store.tenant(&scope);
        let relay = Relay {
            relay_id: RelayId::new(now, api.entropy.bytes()),
            name: RelayName::parse("sender").unwrap(),
            inbound_queue,
            decision_queue,
            dead_letter_queue: None,
            role_arn: None,
            federation: None,
            external_id: format!("hcp-{}", "0".repeat(32)),
            vault: None,
            created_by: "test".to_owned(),
            created_at: now,
            current_key: None,
            previous_key: None,
            heard: None,
            polled: None,
        };
        let enrolment = NewRelayEnrolment {
            key_id: KeyId::new(api.entropy.bytes()),
            secret_sha256: [1; 32],
            relay_id: relay.relay_id.clone(),
            expires_at: now.plus_seconds(60),
            overlap_seconds: 0,
        };
        let write_id = api.write_id();
        let created = tenant.create_relay(&relay, &enrolment, &write_id).await;
        assert_eq!(created.unwrap(), RelayCreation::Created);
        let presented = Presented {
            kind: CredentialKind::Enrolment,
            key_id: enrolment.key_id.clone(),
            secret_sha256: enrolment.secret_sha256,
        };
        let with = api.store.relay_enrolment(&presented, now).await.unwrap();
        let key = SigningKey::from_bytes(&[2; 32]);
        let new = NewRelayKey {
            key_id: KeyId::new(api.entropy.bytes()),
            public_key: key.verifying_key().to_bytes(),
            relay_id: relay.relay_id.clone(),
            expires_at: now.plus_seconds(24 * 3600),
        };
        let (with, write_id) = (with.unwrap(), api.write_id());
        let enrolled = tenant.enrol_relay(&with, &new, now, &write_id).await;
        assert_eq!(enrolled.unwrap(), RelayKeyRotation::Added);
        let (rules, write_id) = (serde_json::from_value(rules).unwrap(), api.write_id());
        let put = tenant.put_routing(&relay.relay_id, &rules, 0, &write_id);
        assert_eq!(put.await.unwrap(), RoutingOutcome::Written(1));
        Self {
            relay_id: relay.relay_id,
            key_id: KeyName::parse(new.key_id.as_str()).unwrap(),
            key,
        }
    }

    /// A message of a push to that branch, which arrived just now. `place` tells it from others.
    pub(crate) fn message(&self, now: Timestamp, place: usize, branch: &str) -> String {
        let event = json!({
            "event_id": EventId::from_digest([u8::try_from(place).unwrap(); 16]), "tool": "github", "event": "PUSH",
            "git_repo": "https://git.example.com/shop", "branch": branch,
            "commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            "received_at": now, "body_bytes": 10,
            "commitment": { "algorithm": "SHA256", "digest": "ab".repeat(32) },
        });
        let payload = json!({
            "version": 1, "relay_id": self.relay_id, "instance": "0".repeat(32),
            "sequence": place + 1, "sent_at": now, "event": event,
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
