//! A small function with one route of each kind, called as a client would.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod document;
mod limits;
mod people;
mod requests;
mod walks;

use crate::walk::{Samples, Violation, Walker};
use crate::{
    Access, AgentCaller, Api, Caller, Environment, Identities, KeyEncryption, OrProblem,
    PersonCaller, Registrant, Routes, Scope, Token,
};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::{Json, Router};
use embedded_dynamodb::{Engine, Fault};
use http::Request;
use http_body_util::BodyExt;
use oidc::Network;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use store::{CredentialKind, KeyId, NewApiToken, Presented, Store, Tables, TenantScope};
use telemetry::Meter;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;
use web::{ApiJson, ApiPath, Clock, Problem};
use wire::{AgentId, JobId, PoolName, Timestamp};

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
async fn register(registrant: Registrant) -> Result<Json<Value>, Problem> {
    let key = registrant.key_for(&PoolName::parse("walk").unwrap())?;
    Ok(Json(json!({"pool": key.pool})))
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
        .route_for_registration(
            Access::agent_key(Scope::AgentsRegister),
            Identities::new(Network::public(), KeyEncryption::Off),
            routes!(register),
        )
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
    let api = Api::testing(store, Clock::manual(NOW));
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
            member: None,
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
