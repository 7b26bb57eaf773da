//! Relays: set up, given keys, heard of, given rules, and taken away.

use super::caller::{Answer, Caller};
use super::tenant::Tenant;
use crate::deployment::functions::Functions;
use axum::Router;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{RecordedEvent, WriteId};
use wire::{
    EventId, EventOutcome, SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP,
    SignedParts, TenantId,
};

const HOST: &str = "ci.example.com";

/// A relay that signs its requests.
struct Relay<'a> {
    functions: &'a Functions,
    nobody: Caller,
    key_id: String,
    key: SigningKey,
}

impl Relay<'_> {
    async fn post(&self, path: &str, body: Value) -> Answer {
        let api = &self.functions.api;
        let timestamp = (api.now().as_millis() / 1000).to_string();
        let nonce = HEXLOWER.encode(&api.entropy.bytes::<16>());
        let parts = SignedParts {
            timestamp: &timestamp,
            nonce: &nonce,
            method: "POST",
            host: HOST,
            path,
            query: "",
            body_sha256: &HEXLOWER.encode(&Sha256::digest(body.to_string())),
        };
        let signature = self.key.sign(parts.string_to_sign().as_bytes());
        let caller = self
            .nobody
            .with("host", HOST)
            .with(SIGNED_KEY_ID, &self.key_id)
            .with(SIGNED_TIMESTAMP, &timestamp)
            .with(SIGNED_NONCE, &nonce)
            .with(SIGNED_SIGNATURE, &BASE64.encode(&signature.to_bytes()));
        caller.post(200, path, body).await
    }
}

fn public(key: &SigningKey) -> String {
    BASE64.encode(key.verifying_key().as_bytes())
}

fn relay(name: &str) -> Value {
    let queue = format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}");
    json!({ "name": name, "inbound_queue": { "provider": "AWS_SQS", "address": queue } })
}

pub(super) async fn lives(functions: &Functions, tenant: &Tenant, app: &Router) {
    let admin = &tenant.admin;
    admin
        .post(201, "/api/relays/register", relay("other"))
        .await;
    let made = admin.post(201, "/api/relays/register", relay("eu")).await;
    let (id, token) = (made.text("/relay/relay_id"), made.text("/enrolment_token"));
    let key = SigningKey::from_bytes(&[1; 32]);
    let brought = json!({ "public_key": public(&key) });
    let bearer = Caller::new(app, &token);
    let enrolled = bearer.post(200, "/api/relays/enrol", brought.clone()).await;
    bearer.post(200, "/api/relays/enrol", brought).await;
    let itself = Relay {
        functions,
        nobody: Caller::nobody(app),
        key_id: enrolled.text("/key_id"),
        key,
    };
    let alive = json!({
        "version": "0.1.0", "instance": "0".repeat(32), "sent": 1, "refused": 0, "duplicates": 0,
        "queue_reachable": true, "vault_reachable": true,
    });
    itself.post("/api/relays/heartbeat", alive).await;
    let path = format!("/api/relays/{id}");
    let rotate = format!("{path}/rotate-key");
    let next = SigningKey::from_bytes(&[2; 32]);
    itself
        .post(&rotate, json!({ "public_key": public(&next) }))
        .await;
    for overlap in [60, 0] {
        let body = json!({ "overlap_seconds": overlap });
        admin.post(200, &rotate, body).await;
    }
    admin.pages("/api/relays").await;
    admin.get(&path).await;
    routing(admin, &path).await;
    happened(functions, &id).await;
    admin.pages(&format!("{path}/events")).await;
    admin.delete(&path).await;
}

async fn routing(admin: &Caller, path: &str) {
    let path = format!("{path}/routing");
    let rule = json!({ "then": { "action": "IGNORE" } });
    let rules = json!({ "tools": { "github": [rule] } });
    let put = format!("PUT {path}");
    let first = admin.expect(200, &put, rules).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let seen = admin.with("if-match", tag);
    seen.expect(200, &put, json!({ "tools": {} })).await;
    let stale = json!({ "tools": { "gitlab": [] } });
    seen.expect(412, &put, stale).await;
    admin.get(&path).await;
    let event = json!({ "event": { "tool": "github", "event": "PUSH" } });
    admin.post(200, &format!("{path}/test"), event).await;
}

/// Events that were acted on: by the orchestrator, which is not called here.
async fn happened(functions: &Functions, relay_id: &str) {
    let api = &functions.api;
    let tenant = TenantId::parse("acme").unwrap();
    let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
    for number in 1..=2 {
        let event = json!({
            "event_id": EventId::from_digest([number; 16]), "tool": "github", "event": "PUSH",
            "received_at": api.now(), "body_bytes": 10,
            "commitment": { "algorithm": "SHA256", "digest": "ab".repeat(32) },
        });
        let recorded = RecordedEvent {
            relay_id: relay_id.parse().unwrap(),
            event: serde_json::from_value(event).unwrap(),
            instance: "0".repeat(32).parse().unwrap(),
            sequence: u64::from(number),
            outcome: EventOutcome::Unmatched,
            reason: None,
            rule: None,
            routing_version: 0,
            action: None,
            job_id: None,
            acted_at: api.now(),
            is_done: true,
        };
        let write_id = WriteId::new(api.entropy.bytes());
        let tenant = api.store.tenant(&scope);
        tenant.record_event(&recorded, &write_id).await.unwrap();
    }
}
