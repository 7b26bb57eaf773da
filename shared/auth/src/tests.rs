//! A small function with one route of each kind, called as a client would.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::walk::{Samples, Violation, Walker};
use crate::{
    Access, AgentCaller, Api, Caller, Environment, KeyCaller, OrProblem, Routes, Scope, Token,
};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::{Json, Router};
use embedded_dynamodb::{Engine, Fault};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use store::{CredentialKind, KeyId, NewApiToken, Presented, Store, Tables, TenantScope};
use telemetry::Meter;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;
use web::{ApiJson, ApiPath, Clock, Entropy, Problem};
use wire::{AgentId, JobId, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    what: wire::PoolName,
}
impl wire::Check for Order {}

#[utoipa::path(get, path = "/health", responses((status = 200)))]
async fn health() -> Json<Value> {
    Json(json!({"status": "healthy"}))
}

/// The one job that there is belongs to `acme`.
#[utoipa::path(get, path = "/api/jobs/{id}", params(("id" = JobId, Path)), responses((status = 200)))]
async fn get_job(caller: Caller, ApiPath(id): ApiPath<JobId>) -> Result<Json<Value>, Problem> {
    if caller.tenant().as_str() == "acme" && id == the_job() {
        Ok(Json(json!({"job_id": id, "seen_by": caller.created_by()})))
    } else {
        Err(Problem::not_found("job"))
    }
}

#[utoipa::path(post, path = "/api/jobs", request_body = Order, responses((status = 201)))]
async fn create_job(caller: Caller, ApiJson(order): ApiJson<Order>) -> Json<Value> {
    Json(json!({"what": order.what, "by": caller.created_by()}))
}

#[utoipa::path(post, path = "/api/claim", responses((status = 200)))]
async fn claim(State(api): State<Api>, agent: AgentCaller) -> Json<Value> {
    Json(json!({"agent_id": agent.agent_id, "pool": agent.pool, "now": api.now()}))
}

#[utoipa::path(post, path = "/api/agents/{id}/end", params(("id" = AgentId, Path)), responses((status = 204)))]
async fn end(State(api): State<Api>, agent: AgentCaller) -> Result<(), Problem> {
    let tenant = api.store.tenant(&agent.scope);
    tenant
        .end_agent_session(&agent.session.session())
        .await
        .or_problem()
}

#[utoipa::path(post, path = "/api/register", responses((status = 201)))]
async fn register(key: KeyCaller) -> Json<Value> {
    Json(json!({"pool": key.pool}))
}

fn the_job() -> JobId {
    JobId::from_digest([7; 16])
}

fn unknown_job() -> JobId {
    JobId::from_digest([8; 16])
}

fn routes(api: Api) -> Routes {
    Routes::new(api)
        .public(routes!(health))
        .route(
            Access::people(Scope::JobsRead).or_agent(Scope::QueueClaim),
            routes!(get_job),
        )
        .route(Access::people(Scope::JobsWrite), routes!(create_job))
        .route(Access::agent(Scope::QueueClaim), routes!(claim))
        .route(Access::own_agent(Scope::AgentsHeartbeat), routes!(end))
        .route(Access::agent_key(Scope::AgentsRegister), routes!(register))
}

fn samples() -> Samples {
    Samples::new()
        .thing("/api/jobs/{id}", the_job().as_str(), unknown_job().as_str())
        .thing(
            "/api/agents/{id}",
            AgentId::from_digest([7; 16]).as_str(),
            AgentId::from_digest([8; 16]).as_str(),
        )
        .body("POST", "/api/jobs", json!({"what": "linux"}))
}

struct World {
    engine: Engine,
    api: Api,
    acme: TenantScope,
    other: TenantScope,
}

async fn world() -> World {
    let engine = Engine::memory().unwrap();
    let store = Store::new(engine.client(), Tables::default(), Meter::default());
    store.create_tables().await.unwrap();
    let acme = tenant(&engine, &store, "acme").await;
    let other = tenant(&engine, &store, "other").await;
    let api = Api {
        store,
        clock: Clock::manual(NOW),
        entropy: Entropy::seeded(1),
        environment: Environment::Test,
        name: "test",
        version: "1.2.3",
    };
    World {
        engine,
        api,
        acme,
        other,
    }
}

/// A tenant, as far as credentials go: the store gives the right to one to whoever bears a credential of it.
async fn tenant(engine: &Engine, store: &Store, name: &str) -> TenantScope {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let key_id = KeyId::parse(&format!("{name:0<12}")).unwrap();
    let put = engine.client().put_item().table_name("credentials");
    put.item("pk", text(&format!("K#{key_id}")))
        .item("sk", text("K"))
        .item("kind", text("API_TOKEN"))
        .item("tenant", text(name))
        .item("secret_sha256", text(&"00".repeat(32)))
        .item("name", text("first"))
        .item("created_by", text("test"))
        .item("created_at", AttributeValue::N("0".to_owned()))
        .send()
        .await
        .unwrap();
    let first = Presented {
        kind: CredentialKind::ApiToken,
        key_id,
        secret_sha256: [0; 32],
    };
    store
        .authenticate(&first, NOW)
        .await
        .unwrap()
        .unwrap()
        .scope
}

impl World {
    fn app(&self) -> (Router, OpenApi) {
        let (router, document) = routes(self.api.clone()).into_parts();
        (web::app(router), document)
    }

    async fn token(&self, scopes: &[Scope], expires_at: Option<Timestamp>) -> Token {
        let token = Token::issue(
            Environment::Test,
            CredentialKind::ApiToken,
            &self.api.entropy,
        );
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: "ci".to_owned(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            created_by: "test".to_owned(),
            expires_at,
        };
        let tenant = self.api.store.tenant(&self.acme);
        tenant.create_api_token(&new, NOW).await.unwrap();
        token
    }

    async fn walk(&self, router: Router, document: &OpenApi) -> Vec<Violation> {
        let walker = Walker::new(&self.api, &self.acme, &self.other)
            .await
            .unwrap();
        let app = web::app(router);
        walker.walk(&app, document, &samples()).await.unwrap()
    }
}

async fn json_of(response: Response) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

async fn get_as(app: &Router, authorization: &str, path: &str) -> Response {
    let request = Request::get(path)
        .header("authorization", authorization)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_walk_over_guarded_routes_finds_nothing() {
    let world = world().await;
    let (router, document) = routes(world.api.clone()).into_parts();
    let found = world.walk(router, &document).await;
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_walk_finds_a_route_whose_guard_is_missing_or_another() {
    let world = world().await;
    let (_, document) = routes(world.api.clone()).into_parts();
    let open = Router::new()
        .route("/health", axum::routing::get(health))
        .route("/api/jobs/{id}", axum::routing::get(async || "{}"))
        .with_state(world.api.clone());
    let others = Routes::new(world.api.clone())
        .route(Access::people(Scope::JobsRead), routes!(create_job))
        .route(Access::agent(Scope::QueueClaim), routes!(end))
        .route(Access::people(Scope::Admin), routes!(claim))
        .route(Access::agent_key(Scope::AgentsHeartbeat), routes!(register));
    let found = world
        .walk(open.merge(others.into_parts().0), &document)
        .await;
    for (route, what) in [
        ("GET /api/jobs/{id}", "without a credential: 200"),
        (
            "GET /api/jobs/{id}",
            "with a token for deployments:read only: 200",
        ),
        ("GET /api/jobs/{id}", "with an agent key: 200"),
        ("POST /api/jobs", "does not let jobs:write in: 403"),
        ("POST /api/jobs", "with a token for jobs:read only: 200"),
        ("POST /api/claim", "does not let an agent session in: 403"),
        (
            "POST /api/agents/{id}/end",
            "another agent of the tenant has changed something",
        ),
        ("POST /api/register", "does not let an agent key in: 403"),
    ] {
        assert!(
            found
                .iter()
                .any(|violation| violation.route == route && violation.what.starts_with(what)),
            "{route}: {what}: {found:#?}"
        );
    }
    assert!(
        !found
            .iter()
            .any(|violation| violation.route == "GET /health")
    );
}

#[tokio::test]
async fn a_walk_finds_a_leak_between_tenants_and_what_nobody_declares() {
    #[utoipa::path(get, path = "/api/jobs/{id}", params(("id" = JobId, Path)), responses((status = 200)))]
    async fn leaky(_caller: Caller, ApiPath(id): ApiPath<JobId>) -> Result<Json<JobId>, Problem> {
        if id == the_job() {
            Ok(Json(id))
        } else {
            Err(Problem::not_found("job"))
        }
    }
    #[utoipa::path(get, path = "/api/things/{id}", responses((status = 200)))]
    async fn unsampled() {}
    let world = world().await;
    let (router, mut document) = Routes::new(world.api.clone())
        .route(Access::people(Scope::JobsRead), routes!(leaky))
        .route(Access::people(Scope::JobsRead), routes!(unsampled))
        .public(routes!(health))
        .into_parts();
    let health = document.paths.paths.get_mut("/health").unwrap();
    health.get.as_mut().unwrap().extensions = None;
    let found = world.walk(router, &document).await;
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "GET /api/jobs/{id}: another tenant's token can tell a thing that exists (200) from one that does not (404)",
            "GET /api/things/{id}: there is no sample of the thing that its path names",
            "GET /health: does not declare who may call it",
        ]
    );
}

#[tokio::test]
async fn a_caller_is_who_the_credential_says_until_it_ends() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world
        .token(&[Scope::JobsRead], Some(NOW.plus_seconds(60)))
        .await;
    let path = format!("/api/jobs/{}", the_job());
    let response = get_as(&app, &token.bearer().replace("Bearer", "bearer"), &path).await;
    assert_eq!(response.status(), 200);
    let seen = json_of(response).await;
    let expected = format!("token:{}", token.presented.key_id);
    assert_eq!(seen["seen_by"], expected.as_str());
    world.api.clock.advance_seconds(60);
    assert_eq!(get_as(&app, &token.bearer(), &path).await.status(), 401);
}

#[tokio::test]
async fn a_credential_is_looked_for_in_one_authorization_header_only() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world.token(&[Scope::Admin], None).await;
    let path = format!("/api/jobs/{}?access_token={}", the_job(), token.expose());
    let twice = Request::get(&path)
        .header("authorization", token.bearer())
        .header("authorization", token.bearer())
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.clone().oneshot(twice).await.unwrap().status(), 401);
    let cookie = Request::get(&path)
        .header("cookie", format!("token={}", token.expose()))
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.clone().oneshot(cookie).await.unwrap().status(), 401);
}

#[tokio::test]
async fn agents_alone_have_the_scopes_of_agents() {
    let world = world().await;
    let token = world.token(&[Scope::QueueClaim, Scope::Admin], None).await;
    let (app, _) = world.app();
    let request = Request::post("/api/claim")
        .header("authorization", token.bearer())
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(json_of(response).await["code"], "wrong_principal");
}

#[tokio::test]
async fn a_store_out_of_reach_is_503_and_not_401() {
    let mut world = world().await;
    let token = world.token(&[Scope::Admin], None).await;
    let client = world.engine.client_with(|_| Fault::Throttle);
    world.api.store = Store::new(client, Tables::default(), Meter::default());
    let (app, _) = world.app();
    let response = get_as(&app, &token.bearer(), &format!("/api/jobs/{}", the_job())).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn junk_costs_no_read() {
    let world = world().await;
    let (app, _) = world.app();
    let before = world.api.store.meter().total().calls;
    for junk in ["Bearer junk", "Bearer ", "Basic eDp5"] {
        assert_eq!(get_as(&app, junk, "/api/jobs/x").await.status(), 401);
    }
    assert_eq!(world.api.store.meter().total().calls, before);
}

#[tokio::test]
async fn the_document_says_who_may_call_and_how_it_can_fail() {
    let world = world().await;
    let (_, document) = world.app();
    let document = serde_json::to_value(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "1.2.3");
    let get_job = &document["paths"]["/api/jobs/{id}"]["get"];
    assert_eq!(
        get_job["x-access"],
        json!({"people": "jobs:read", "agent": "queue:claim"})
    );
    assert_eq!(
        get_job["security"],
        json!([{"apiToken": ["jobs:read"]}, {"agentSession": ["queue:claim"]}])
    );
    assert_eq!(
        get_job["responses"]["404"]["$ref"],
        "#/components/responses/NotFound"
    );
    let statuses = |path: &str, method: &str| -> Vec<String> {
        let responses = &document["paths"][path][method]["responses"];
        responses.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(statuses("/health", "get"), ["200", "500"]);
    assert_eq!(
        statuses("/api/jobs", "post"),
        [
            "201", "400", "401", "403", "409", "413", "415", "429", "500", "503"
        ]
    );
    assert_eq!(document["paths"]["/health"]["get"]["x-access"], "public");
    assert_eq!(document["paths"]["/health"]["get"]["security"], json!([]));
    let components = &document["components"];
    assert!(components["schemas"]["ProblemDetails"].is_object());
    assert!(components["schemas"]["Fault"].is_object());
    let conflict = components["responses"]["Conflict"]["description"]
        .as_str()
        .unwrap();
    assert!(conflict.contains("`stale_attempt`"));
}

/// Everything that is logged, to look for what must not be there.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_name_request_and_tenant_and_never_a_credential() {
    let world = world().await;
    let (app, _) = world.app();
    let token = world.token(&[Scope::JobsWrite], None).await;
    let logged = Logged::default();
    let sink = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_current_span(true)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    // For all threads: with one of its own, each test that runs meanwhile would decide anew what is logged at all.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for body in [r#"{"what":"canary-body"}"#, r#"{"what":"CANARY-body"}"#] {
        let request = Request::post("/api/jobs?canary-query=1")
            .header("authorization", token.bearer())
            .header("content-type", "application/json")
            .header("x-canary", "canary-header")
            .header("x-request-id", "log-1")
            .body(Body::from(body))
            .unwrap();
        app.clone().oneshot(request).await.unwrap();
    }
    let forged = format!("{}0", &token.bearer()[..80]);
    get_as(&app, &forged, "/api/jobs/canary-path").await;
    let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    let served: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| {
            line["fields"]["message"] == "served" && line["span"]["request_id"] == "log-1"
        })
        .collect();
    assert_eq!(served.len(), 2, "{text}");
    assert_eq!(served[0]["span"]["request_id"], "log-1");
    assert_eq!(served[0]["span"]["tenant_id"], "acme");
    assert_eq!(served[0]["fields"]["route"], "/api/jobs");
    assert_eq!(served[0]["fields"]["status"], 200);
    assert_eq!(served[1]["fields"]["code"], "invalid_request");
    for secret in ["canary", "CANARY", &token.expose()[24..67]] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
