//! Stories of relays, told through the routes on the embedded engine.

mod events;
mod heartbeats;
mod keys;
mod outages;
mod registering;
mod routing;
mod sts;

use crate::RoleGuard;
use auth::{Api, Scope, Token};
use axum::Router;
use axum::body::Body;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey};
use embedded_dynamodb::Engine;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{CredentialKind, NewApiToken, Store, Tables, TenantScope};
use sts::FakeSts;
use tower::ServiceExt;
use web::Clock;
use wire::{
    SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP, SignedParts, TenantId,
    Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
const DECISIONS: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/decisions";
const ROLE: &str = "arn:aws:iam::123456789012:role/hybrid-ci";

struct World {
    engine: Engine,
    api: Api,
    app: Router,
    roles: RoleGuard,
    sts: FakeSts,
    acme: TenantScope,
    /// A token of `acme` that manages relays.
    admin: String,
    /// The same of `globex`.
    stranger: String,
}

/// What somebody was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn text(&self, pointer: &str) -> &str {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
    }

    /// The status and the code of a problem.
    fn problem(&self) -> (u16, &str) {
        (self.status, self.text("/code"))
    }

    fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors
            .map(|fault| fault["pointer"].as_str().unwrap())
            .collect()
    }
}

/// A relay's side of its key.
#[derive(Clone)]
struct Signing {
    relay_id: String,
    key_id: String,
    key: SigningKey,
}

impl World {
    async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let meter = telemetry::Meter::default();
        let store = Store::new(engine.client(), Tables::default(), meter);
        store.create_tables().await.unwrap();
        let api = Api::testing(store, Clock::manual(NOW));
        let sts = FakeSts::start().await;
        let roles = sts.guard();
        let app = web::app(crate::routes(api.clone(), roles.clone()).into_parts().0);
        let mut tokens = Vec::new();
        let mut scopes = Vec::new();
        for name in ["acme", "globex"] {
            let tenant = TenantId::parse(name).unwrap();
            let scope = api.store.create_tenant(&tenant, NOW).await.unwrap();
            let may = [Scope::RelaysRead, Scope::RelaysManage];
            tokens.push(token(&api, &scope, &may).await);
            scopes.push(scope);
        }
        Self {
            stranger: tokens.remove(1),
            admin: tokens.remove(0),
            acme: scopes.remove(0),
            engine,
            api,
            app,
            roles,
            sts,
        }
    }

    async fn call(&self, bearer: &str, operation: &str, body: Value) -> Answer {
        self.call_with(bearer, operation, body, &[]).await
    }

    async fn call_with(
        &self,
        bearer: &str,
        operation: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header("content-type", "application/json");
        if !bearer.is_empty() {
            request = request.header("authorization", bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        send(&self.app, request.body(body).unwrap()).await
    }

    async fn admin(&self, operation: &str, body: Value) -> Answer {
        self.call(&self.admin, operation, body).await
    }

    /// Registers a relay: its id and its enrolment token.
    async fn register(&self, body: Value) -> (String, String) {
        let answer = self.admin("POST /api/relays/register", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let token = format!("Bearer {}", answer.text("/enrolment_token"));
        (answer.text("/relay/relay_id").to_owned(), token)
    }

    /// A relay with its key.
    async fn relay(&self) -> Signing {
        let (relay_id, token) = self.register(request()).await;
        let key = signing_key(1);
        let answer = self.enrol(&token, &key).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.text("/relay_id"), relay_id);
        Signing {
            relay_id,
            key_id: answer.text("/key_id").to_owned(),
            key,
        }
    }

    async fn enrol(&self, token: &str, key: &SigningKey) -> Answer {
        let body = json!({ "public_key": public(key) });
        self.call(token, "POST /api/relays/enrol", body).await
    }

    async fn signed(&self, relay: &Signing, path: &str, body: Value) -> Answer {
        let request = self.sign(relay, path, &body, &self.nonce());
        send(&self.app, request).await
    }

    fn nonce(&self) -> String {
        HEXLOWER.encode(&self.api.entropy.bytes::<16>())
    }

    fn sign(&self, relay: &Signing, path: &str, body: &Value, nonce: &str) -> Request<Body> {
        let body = body.to_string();
        let timestamp = (self.api.now().as_millis() / 1000).to_string();
        let parts = SignedParts {
            timestamp: &timestamp,
            nonce,
            method: "POST",
            host: "ci.example.com",
            path,
            query: "",
            body_sha256: &HEXLOWER.encode(&Sha256::digest(&body)),
        };
        let signature = relay.key.sign(parts.string_to_sign().as_bytes());
        Request::post(path)
            .header("host", "ci.example.com")
            .header("content-type", "application/json")
            .header(SIGNED_KEY_ID, &relay.key_id)
            .header(SIGNED_TIMESTAMP, &timestamp)
            .header(SIGNED_NONCE, nonce)
            .header(SIGNED_SIGNATURE, BASE64.encode(&signature.to_bytes()))
            .body(Body::from(body))
            .unwrap()
    }

    async fn beat(&self, relay: &Signing) -> Answer {
        self.signed(relay, "/api/relays/heartbeat", heartbeat())
            .await
    }

    async fn show(&self, relay_id: &str) -> Answer {
        let path = format!("GET /api/relays/{relay_id}");
        self.admin(&path, Value::Null).await
    }

    async fn health(&self, relay_id: &str) -> String {
        self.show(relay_id).await.text("/relay/health").to_owned()
    }
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

async fn token(api: &Api, scope: &TenantScope, scopes: &[Scope]) -> String {
    let token = Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "test".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_api_token(&new, NOW).await.unwrap();
    token.bearer()
}

fn sqs(address: &str) -> Value {
    json!({ "provider": "AWS_SQS", "address": address })
}

/// A relay whose role is as it should be.
fn request() -> Value {
    json!({
        "name": "eu", "inbound_queue": sqs(QUEUE), "decision_queue": sqs(DECISIONS), "role_arn": ROLE,
        "vault": "aws-secrets-manager://hybrid-ci/webhooks",
    })
}

fn with_role(role: &str) -> Value {
    let mut request = request();
    request["role_arn"] = json!(role);
    request
}

/// A relay whose queue triggers the control plane.
fn without_role() -> Value {
    json!({ "name": "eu", "inbound_queue": sqs(QUEUE) })
}

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(key: &SigningKey) -> String {
    BASE64.encode(key.verifying_key().as_bytes())
}

fn heartbeat() -> Value {
    json!({
        "version": "0.1.0", "instance": "0".repeat(32), "sent": 3, "refused": 2, "duplicates": 1,
        "queue_reachable": true, "vault_reachable": true, "queue_depth": 4,
    })
}
