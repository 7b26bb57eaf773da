//! Stories of agents and pools, told through the routes on the embedded engine.

mod counts;
mod held_jobs;
mod identities;
mod known_credentials;

use auth::{Api, Environment, Identities, KeyEncryption, Scope, Token};
use axum::Router;
use axum::body::Body;
use embedded_dynamodb::Engine;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use oidc::Network;
use serde_json::{Value, json};
use store::{CredentialKind, NewAgentKey, NewApiToken, Store, Tables, TenantScope};
use tower::ServiceExt;
use web::Clock;
use wire::{TenantId, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct World {
    engine: Engine,
    api: Api,
    app: Router,
    scope: TenantScope,
    user: String,
    key: String,
}

/// Issuers of the Internet, which no test calls, and no HMAC keys.
fn nobody() -> Identities {
    Identities::new(Network::public(), KeyEncryption::Off)
}

impl World {
    async fn new() -> Self {
        Self::with(nobody()).await
    }

    async fn with(identities: Identities) -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(
            engine.client(),
            Tables::default(),
            telemetry::Meter::default(),
        );
        store.create_tables().await.unwrap();
        let api = Api::testing(store, Clock::manual(NOW));
        let app = web::app(crate::routes(api.clone(), identities).into_parts().0);
        let tenant = TenantId::parse("acme").unwrap();
        let scope = api.store.create_tenant(&tenant, NOW).await.unwrap();
        let user = user(&api, &scope).await;
        let key = Token::issue(Environment::Test, CredentialKind::AgentKey, &api.entropy);
        let new = NewAgentKey {
            key_id: key.presented.key_id.clone(),
            secret_sha256: key.presented.secret_sha256,
            name: "test".to_owned(),
            pool: "linux".parse().unwrap(),
            created_by: "test".to_owned(),
            expires_at: None,
        };
        api.store
            .tenant(&scope)
            .create_agent_key(&new, NOW)
            .await
            .unwrap();
        Self {
            engine,
            app,
            scope,
            user,
            key: key.bearer(),
            api,
        }
    }

    async fn call(&self, method: Method, path: &str, bearer: &str, body: Value) -> (u16, Value) {
        call(&self.app, method, path, bearer, body).await
    }

    async fn user_gets(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, &self.user, Value::Null).await
    }

    /// Registers an agent: its id and its bearer token.
    async fn register(&self) -> (String, String) {
        let (status, answer) = self
            .call(
                Method::POST,
                "/api/agents/register",
                &self.key,
                registration(),
            )
            .await;
        assert_eq!(status, 201, "{answer}");
        let token = format!("Bearer {}", answer["session_token"].as_str().unwrap());
        (answer["agent_id"].as_str().unwrap().to_owned(), token)
    }

    async fn beat(&self, id: &str, bearer: &str, cpu: f64) -> (u16, Value) {
        let path = format!("/api/agents/{id}/heartbeat");
        self.call(Method::POST, &path, bearer, heartbeat(cpu)).await
    }

    async fn status(&self, id: &str) -> String {
        let (_, answer) = self.user_gets(&format!("/api/agents/{id}")).await;
        answer["agent"]["status"].as_str().unwrap().to_owned()
    }
}

async fn call(app: &Router, method: Method, path: &str, bearer: &str, body: Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .body(if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        })
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status: StatusCode = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status.as_u16(),
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

async fn user(api: &Api, scope: &TenantScope) -> String {
    user_with(api, scope, &[Scope::AgentsRead, Scope::AgentsWrite]).await
}

async fn user_with(api: &Api, scope: &TenantScope, scopes: &[Scope]) -> String {
    let token = Token::issue(Environment::Test, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "test".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    api.store
        .tenant(scope)
        .create_api_token(&new, NOW)
        .await
        .unwrap();
    token.bearer()
}

fn registration() -> Value {
    json!({ "pool_name": "linux", "version": "1.0.0", "max_concurrent_jobs": 2 })
}

fn heartbeat(cpu: f64) -> Value {
    json!({ "cpu_percent": cpu, "memory_percent": 1, "disk_percent": 1, "uptime_seconds": 1, "jobs": [] })
}

fn pointers(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_agents_status_follows_what_it_says_and_what_is_asked_of_it() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    assert_eq!(world.status(&id).await, "HEALTHY");
    world.beat(&id, &bearer, 95.0).await;
    assert_eq!(world.status(&id).await, "DEGRADED");
    let path = format!("/api/agents/{id}/status");
    for (asked, directive) in [
        ("DRAINING", "DRAIN"),
        ("paused", "PAUSE"),
        ("HEALTHY", "RUN"),
    ] {
        let body = json!({ "status": asked });
        let (status, answer) = world.call(Method::PATCH, &path, &world.user, body).await;
        assert_eq!(status, 200, "{answer}");
        let (_, answer) = world.beat(&id, &bearer, 1.0).await;
        assert_eq!(answer["directive"], directive);
        assert_eq!(answer["status"], asked.to_uppercase());
    }
    world.api.clock.advance_seconds(30);
    assert_eq!(world.status(&id).await, "OFFLINE");
    world.beat(&id, &bearer, 1.0).await;
    assert_eq!(world.status(&id).await, "HEALTHY");
    let path = format!("/api/agents/{id}/deregister");
    let (status, _) = world.call(Method::POST, &path, &bearer, Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(world.status(&id).await, "TERMINATED");
    let (status, answer) = world.beat(&id, &bearer, 1.0).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (409, Some("agent_terminated"))
    );
}

#[tokio::test]
async fn heartbeats_keep_a_session_good_for_as_long_as_they_come() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    for _ in 0..12 {
        world.api.clock.advance_seconds(20 * 60);
        let (status, answer) = world.beat(&id, &bearer, 1.0).await;
        assert_eq!(status, 200, "{answer}");
    }
    world.api.clock.advance_seconds(61 * 60);
    assert_eq!(
        world.beat(&id, &bearer, 1.0).await.0,
        401,
        "an hour of silence ends it"
    );
}

#[tokio::test]
async fn an_agent_speaks_for_itself_alone_and_a_key_for_its_pool_alone() {
    let world = World::new().await;
    let (first, bearer) = world.register().await;
    let (second, _) = world.register().await;
    assert_eq!(world.beat(&second, &bearer, 1.0).await.0, 404);
    let path = format!("/api/agents/{second}");
    assert_eq!(
        world.call(Method::GET, &path, &bearer, Value::Null).await.0,
        404
    );
    let path = format!("/api/agents/{first}/config");
    let (status, config) = world.call(Method::GET, &path, &bearer, Value::Null).await;
    assert_eq!((status, config["lease_seconds"].as_u64()), (200, Some(30)));
    let mut elsewhere = registration();
    elsewhere["pool_name"] = json!("other");
    let (status, _) = world
        .call(Method::POST, "/api/agents/register", &world.key, elsewhere)
        .await;
    assert_eq!(status, 403);
    let globex = TenantId::parse("globex").unwrap();
    let scope = world.api.store.create_tenant(&globex, NOW).await.unwrap();
    let stranger = user(&world.api, &scope).await;
    let path = format!("/api/agents/{first}");
    assert_eq!(
        world
            .call(Method::GET, &path, &stranger, Value::Null)
            .await
            .0,
        404
    );
    assert_ne!(scope, world.scope);
}

#[tokio::test]
async fn bad_input_is_answered_with_every_fault() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    let mut request = registration();
    request["max_concurrent_jobs"] = json!(101);
    request["tags"] = json!({ "BAD KEY": "x" });
    let (status, answer) = world
        .call(Method::POST, "/api/agents/register", &world.key, request)
        .await;
    assert_eq!(
        (status, pointers(&answer)),
        (400, vec!["/max_concurrent_jobs", "/tags"])
    );
    let path = format!("/api/agents/{id}/heartbeat");
    let mut beat = heartbeat(101.0);
    beat["disk_percent"] = json!(-1);
    let (status, answer) = world.call(Method::POST, &path, &bearer, beat).await;
    assert_eq!(
        (status, pointers(&answer)),
        (400, vec!["/cpu_percent", "/disk_percent"])
    );
    let mut beat = heartbeat(1.0);
    beat["cpu_percnt"] = json!(1);
    assert_eq!(world.call(Method::POST, &path, &bearer, beat).await.0, 400);
    let path = format!("/api/agents/{id}/status");
    let body = json!({ "status": "OFFLINE" });
    let (status, answer) = world.call(Method::PATCH, &path, &world.user, body).await;
    assert_eq!((status, pointers(&answer)), (400, vec!["/status"]));
    assert_eq!(world.user_gets("/api/agents?limit=0").await.0, 400);
    assert_eq!(world.user_gets("/api/agents/agent-x").await.0, 404);
}

#[tokio::test]
async fn pools_come_with_their_first_use_and_go_when_they_are_empty() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    let (status, answer) = world.user_gets("/api/agents/pools/linux").await;
    assert_eq!(status, 200);
    assert_eq!(answer["pool"]["agents"]["healthy"], 1);
    let delete = |name: &'static str| {
        let path = format!("/api/agents/pools/{name}");
        let world = &world;
        async move {
            world
                .call(Method::DELETE, &path, &world.user, Value::Null)
                .await
                .0
        }
    };
    assert_eq!(delete("linux").await, 409);
    let path = format!("/api/agents/{id}/deregister");
    world.call(Method::POST, &path, &bearer, Value::Null).await;
    assert_eq!(delete("linux").await, 204);
    assert_eq!(delete("linux").await, 404);
    let pool = json!({ "pool_name": "macos", "max_agents": 4, "ready_shards": 2 });
    let create = |body: Value| world.call(Method::POST, "/api/agents/pools", &world.user, body);
    assert_eq!(create(pool.clone()).await.0, 201);
    assert_eq!(create(pool.clone()).await.0, 200, "the same again");
    assert_eq!(create(json!({ "pool_name": "macos" })).await.0, 409);
    let (status, answer) =
        create(json!({ "pool_name": "x", "min_agents": 5, "max_agents": 4 })).await;
    assert_eq!((status, pointers(&answer)), (400, vec!["/max_agents"]));
    let (_, list) = world.user_gets("/api/agents/pools").await;
    assert_eq!(list["pools"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pool_is_scaled_within_its_bounds_and_its_line_is_never_narrowed() {
    let world = World::new().await;
    let body = json!({ "pool_name": "macos", "min_agents": 1, "max_agents": 4, "ready_shards": 2 });
    world
        .call(Method::POST, "/api/agents/pools", &world.user, body)
        .await;
    let path = "/api/agents/pools/macos";
    let scale = format!("{path}/scale");
    let (status, answer) = world
        .call(
            Method::POST,
            &scale,
            &world.user,
            json!({ "desired_agents": 3 }),
        )
        .await;
    assert_eq!(
        (status, answer["pool"]["desired_agents"].as_u64()),
        (200, Some(3))
    );
    let (status, answer) = world
        .call(
            Method::POST,
            &scale,
            &world.user,
            json!({ "desired_agents": 5 }),
        )
        .await;
    assert_eq!((status, pointers(&answer)), (400, vec!["/desired_agents"]));
    let (status, answer) = world
        .call(
            Method::PATCH,
            path,
            &world.user,
            json!({ "ready_shards": 1 }),
        )
        .await;
    assert_eq!((status, pointers(&answer)), (400, vec!["/ready_shards"]));
    let (_, scaling) = world.user_gets(&format!("{path}/scaling")).await;
    assert_eq!(
        (scaling["desired_agents"].as_u64(), &scaling["reason"]),
        (Some(3), &json!("COOLING_DOWN"))
    );
    let (_, answer) = world
        .call(
            Method::POST,
            &format!("{path}/drain"),
            &world.user,
            Value::Null,
        )
        .await;
    assert_eq!(answer["pool"]["draining"], true);
}
