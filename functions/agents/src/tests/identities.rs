//! Agents prove who they are, in every way there is; and whoever is none of them gets one and the same answer.

mod enrolment;
mod management;
mod signatures;
mod workloads;

use super::{NOW, World, registration, user_with};
use auth::{Identities, KeyEncryption, Scope};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use oidc::Network;
use oidc::testing::{FakeIssuer, SigningKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use tower::ServiceExt;
use wire::TenantId;

const REGISTER: &str = "/api/agents/register";
const ISSUER: &str = "https://issuer.example.com";
const AUDIENCE: &str = "https://ci.example.com/agents/acme";
const DATA_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn identities(network: Network) -> Identities {
    Identities::new(network, KeyEncryption::parse(DATA_KEY).unwrap())
}

/// What was answered, without what differs from request to request.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn bearer(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        format!("Bearer {}", self.body["session_token"].as_str().unwrap())
    }

    fn agent(&self) -> &str {
        self.body["agent_id"].as_str().unwrap()
    }
}

/// What tables hold, but for the counts of requests.
type Dump = BTreeMap<String, String>;

impl World {
    /// A person who may make whatever agents register with.
    async fn enroller(&self) -> String {
        user_with(&self.api, &self.scope, &[Scope::AgentsEnrol]).await
    }

    async fn send(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::post(REGISTER)
            .header("content-type", "application/json")
            .header("x-request-id", "the-same");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (mut parts, body) = response.into_parts();
        parts.headers.remove("traceparent");
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap(),
        }
    }

    async fn register_by(&self, bearer: &str) -> Answer {
        let bearer = format!("Bearer {bearer}");
        self.send(&[("authorization", &bearer)], &registration())
            .await
    }

    /// What whoever brings nothing is told.
    async fn refusal(&self) -> Answer {
        let refused = self.send(&[], &registration()).await;
        assert_eq!(refused.status, 401);
        refused
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        let user = self.enroller().await;
        let (status, answer) = self.call(Method::POST, path, &user, body).await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    async fn delete(&self, path: &str) -> u16 {
        let user = self.enroller().await;
        self.call(Method::DELETE, path, &user, Value::Null).await.0
    }

    /// Everything that is kept of tenants, but for people's tokens, whose use is noted.
    async fn dump(&self) -> Dump {
        let client = self.engine.client();
        let mut found = Dump::new();
        for table in ["agents", "credentials", "jobs", "audit"] {
            let answer = client.scan().table_name(table).send().await.unwrap();
            assert!(answer.last_evaluated_key().is_none());
            for item in answer.items() {
                let part = |name: &str| match &item[name] {
                    AttributeValue::S(text) => text.clone(),
                    other => panic!("{other:?}"),
                };
                let is_token = item.get("kind") == Some(&AttributeValue::S("API_TOKEN".to_owned()));
                if !is_token && !part("pk").ends_with("#RL") {
                    let key = format!("{table} {} {}", part("pk"), part("sk"));
                    found.insert(key, in_order(item));
                }
            }
        }
        found
    }
}

/// Attributes in one order.
fn in_order(item: &HashMap<String, AttributeValue>) -> String {
    let sorted: BTreeMap<_, _> = item
        .iter()
        .map(|(name, value)| match value {
            AttributeValue::M(nested) => (name, in_order(nested)),
            other => (name, format!("{other:?}")),
        })
        .collect();
    format!("{sorted:?}")
}

/// A world with an issuer of its own.
async fn world_with_issuer(url: &str, key: &SigningKey) -> (World, FakeIssuer) {
    let issuer = FakeIssuer::start(url, &[key]).await;
    let world = World::with(identities(issuer.network())).await;
    (world, issuer)
}

/// The seconds since 1970 at which the tests begin.
fn now_seconds() -> i64 {
    NOW.as_millis() / 1000
}

async fn tenant(world: &World, name: &str) -> store::TenantScope {
    let tenant = TenantId::parse(name).unwrap();
    world.api.store.create_tenant(&tenant, NOW).await.unwrap()
}

fn pool(name: &str) -> Value {
    let mut body = registration();
    body["pool_name"] = json!(name);
    body
}
