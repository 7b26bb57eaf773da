//! Every route is called with every kind of credential: what it declares is what it does.

use crate::harness::Guest;
use crate::plane;
use auth::walk::{Person, Samples, Walker, roles_table, routes_table};
use auth::{Api, Scope, Token};
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::Path;
use store::{CredentialKind, NewAgentKey, NewApiToken, TenantScope};
use tower::ServiceExt;
use wire::{PoolName, Role, ShortText, TenantId};

const NO_JOB: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_AGENT: &str = "agent-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_RELAY: &str = "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_DEPLOYMENT: &str = "deploy-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_USER: &str = "user-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_SESSION: &str = "session-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_KEY: &str = "zzzzzzzzzzzz";
/// Of the secret key of 32 ones.
const PUBLIC_KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

async fn tenant(api: &Api, name: &str) -> TenantScope {
    let id = TenantId::parse(name).unwrap();
    let scope = api.store.create_tenant(&id, api.now()).await.unwrap();
    let name = ShortText::parse(name).unwrap();
    let made = api.store.tenant(&scope);
    made.ensure_organisation(&name, api.now()).await.unwrap();
    scope
}

async fn admin(api: &Api, scope: &TenantScope) -> String {
    let token = Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "admin".to_owned(),
        scopes: vec![Scope::Admin.to_string()],
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_api_token(&new, api.now()).await.unwrap();
    token.bearer()
}

async fn agent_key(api: &Api, scope: &TenantScope) -> String {
    let key = Token::issue(api.environment, CredentialKind::AgentKey, &api.entropy);
    let new = NewAgentKey {
        key_id: key.presented.key_id.clone(),
        secret_sha256: key.presented.secret_sha256,
        name: "walk".to_owned(),
        pool: PoolName::parse("walk").unwrap(),
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_agent_key(&new, api.now()).await.unwrap();
    key.bearer()
}

async fn post(app: &Router, bearer: &str, path: &str, body: &Value) -> Value {
    let request = Request::post(path)
        .header("authorization", bearer)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{path}: {bytes:?}");
    serde_json::from_slice(&bytes).unwrap()
}

fn job() -> Value {
    json!({"job_type": "build", "pool_name": "walk", "git_repo": "https://git.example.com/a", "git_commit_sha": SHA})
}

fn deployment() -> Value {
    json!({"service_name": "shop", "service_version": "1.0.0", "git_commit_sha": SHA})
}

/// What the routes about people name: a member of the tenant with a session and an organisation of their own, a token,
/// and an invitation.
async fn with_people(
    api: &Api,
    app: &Router,
    (here, admin): (&TenantScope, &str),
    samples: Samples,
) -> Samples {
    let guest = Guest::sign_in(api, "guest").await;
    let owner = Person::join(api, here, Role::Owner).await.unwrap();
    let owner = owner.session(api, api.now()).await.unwrap().bearer();
    let viewer = json!({ "role": "VIEWER" });
    let made = post(app, &owner, "/auth/invitations", &viewer).await;
    let body = json!({ "token": made["invitation_token"] });
    post(app, &guest.bearer, "/auth/invitations/accept", &body).await;
    let open = post(app, &owner, "/auth/invitations", &viewer).await;
    let invitation = open["invitation"]["invitation_id"].as_str().unwrap();
    // Its public part is in its text.
    let key_id = &admin["Bearer hcp_test_u_".len()..][..NO_KEY.len()];
    samples
        .thing("/auth/login/{provider}", "github", "nobody")
        .thing("/auth/callback/{provider}", "github", "nobody")
        .thing("/auth/sessions/{id}", &guest.session_id, NO_SESSION)
        .thing("/auth/tokens/{key_id}", key_id, NO_KEY)
        .thing("/auth/members/{user_id}", &guest.user_id, NO_USER)
        .thing("/auth/invitations/{id}", invitation, NO_KEY)
        .thing(
            "/auth/organisations/{tenant}",
            &guest.organisation,
            "nobody",
        )
        .body("PUT", "/auth/members/{user_id}", viewer.clone())
        .body("POST", "/auth/invitations", viewer)
        .body("POST", "/auth/invitations/accept", json!({"token": "junk"}))
        .body(
            "POST",
            "/auth/tokens",
            json!({"name": "walk", "scopes": ["jobs:read"]}),
        )
}

/// What the routes about agents' credentials name: one of each.
async fn with_enrolment(app: &Router, admin: &str, samples: Samples) -> Samples {
    let named = json!({ "name": "walk", "pool_name": "walk" });
    let hmac = json!({ "name": "walk", "pool_name": "walk", "algorithm": "HMAC_SHA256" });
    let rule = json!({
        "name": "walk", "pool_name": "walk", "issuer": "https://issuer.example.com", "claims": { "sub": "walk" }
    });
    let mut samples = samples;
    for (path, thing, body) in [
        ("/api/agents/keys", "key", &named),
        ("/api/agents/enrolment-tokens", "enrolment", &named),
        ("/api/agents/signing-keys", "signing_key", &hmac),
        ("/api/agents/trust-rules", "trust_rule", &rule),
    ] {
        let made = post(app, admin, path, body).await;
        let key_id = made[thing]["key_id"].as_str().unwrap();
        samples = samples
            .thing(&format!("{path}/{{key_id}}"), key_id, NO_KEY)
            .body("POST", path, body.clone());
    }
    samples
}

/// What the routes about relays name: a relay, and a key that it could have.
async fn with_relays(app: &Router, admin: &str, samples: Samples) -> Samples {
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    let relay =
        json!({ "name": "walk", "inbound_queue": { "provider": "AWS_SQS", "address": queue } });
    let made = post(app, admin, "/api/relays/register", &relay).await;
    let relay_id = made["relay"]["relay_id"].as_str().unwrap();
    let rule = json!({ "when": { "event": "PUSH" }, "then": { "action": "IGNORE" } });
    let alive = json!({
        "version": "0.1.0", "instance": "0".repeat(32), "sent": 0, "refused": 0, "duplicates": 0,
        "queue_reachable": true, "vault_reachable": true,
    });
    let event = json!({ "tool": "github", "event": "PUSH" });
    samples
        .thing("/api/relays/{id}", relay_id, NO_RELAY)
        .body("POST", "/api/relays/register", relay)
        .body(
            "POST",
            "/api/relays/enrol",
            json!({ "public_key": PUBLIC_KEY }),
        )
        .body("POST", "/api/relays/heartbeat", alive)
        .body(
            "PUT",
            "/api/relays/{id}/routing",
            json!({ "tools": { "github": [rule] } }),
        )
        .body(
            "POST",
            "/api/relays/{id}/routing/test",
            json!({ "event": event }),
        )
}

/// Two tenants, of which one has everything that the routes name.
pub(crate) async fn prepared(api: &Api, app: &Router) -> (Walker, Samples) {
    let (here, elsewhere) = (tenant(api, "acme").await, tenant(api, "globex").await);
    let admin = admin(api, &here).await;
    let jobs = post(app, &admin, "/api/queue/jobs", &job()).await;
    let job_id = jobs["job"]["job_id"].as_str().unwrap();
    let pool = json!({"pool_name": "metal"});
    post(app, &admin, "/api/agents/pools", &pool).await;
    let agent = json!({"pool_name": "walk", "version": "0.1.0"});
    let key = agent_key(api, &here).await;
    let registered = post(app, &key, "/api/agents/register", &agent).await;
    let agent_id = registered["agent_id"].as_str().unwrap();
    let alive = json!({"cpu_percent": 1, "memory_percent": 1, "disk_percent": 1, "uptime_seconds": 1, "jobs": []});
    let made = post(app, &admin, "/api/dashboard/deployments", &deployment()).await;
    let deployment_id = made["deployment"]["deployment_id"].as_str().unwrap();
    let step = json!({ "job_id": job_id });
    let result = json!({"attempt": 1, "exit_code": 0, "duration_seconds": 1});
    let samples = Samples::new()
        .thing("/api/queue/jobs/{id}", job_id, NO_JOB)
        .thing("/api/dashboard/jobs/{id}", job_id, NO_JOB)
        .thing(
            "/api/dashboard/deployments/{id}",
            deployment_id,
            NO_DEPLOYMENT,
        )
        .thing(
            "/api/dashboard/deployments/service/{service_name}",
            "shop",
            "nobody",
        )
        .thing("/api/dashboard/services/{name}", "shop", "nobody")
        .body("POST", "/api/dashboard/deployments", deployment())
        .body(
            "POST",
            "/api/dashboard/deployments/{id}/staging",
            step.clone(),
        )
        .body("POST", "/api/dashboard/deployments/{id}/production", step)
        .body(
            "POST",
            "/api/dashboard/deployments/{id}/fail",
            json!({"reason": "broken"}),
        )
        .body(
            "POST",
            "/api/dashboard/deployments/{id}/rollback",
            json!({"to_version": "0.9.0", "reason": "broken"}),
        )
        .thing("/api/agents/{id}", agent_id, NO_AGENT)
        .thing("/api/agents/pools/{name}", "metal", "nobody")
        .body("POST", "/api/agents/register", agent)
        .body("POST", "/api/agents/{id}/heartbeat", alive)
        .body(
            "PATCH",
            "/api/agents/{id}/status",
            json!({"status": "DRAINING"}),
        )
        .body("POST", "/api/agents/pools", json!({"pool_name": "linux"}))
        .body(
            "PATCH",
            "/api/agents/pools/{name}",
            json!({"max_agents": 5}),
        )
        .body(
            "POST",
            "/api/agents/pools/{name}/scale",
            json!({"desired_agents": 1}),
        )
        .body("POST", "/api/queue/jobs", job())
        .body("POST", "/api/queue/jobs/batch", json!({"jobs": [job()]}))
        .body("POST", "/api/dashboard/jobs", job())
        .body("PATCH", "/api/queue/jobs/{id}/start", json!({"attempt": 1}))
        .body("PATCH", "/api/queue/jobs/{id}/complete", result)
        .body(
            "PATCH",
            "/api/queue/jobs/{id}/priority",
            json!({"priority": "HIGH"}),
        );
    let samples = with_people(api, app, (&here, &admin), samples).await;
    let samples = with_enrolment(app, &admin, samples).await;
    let samples = with_relays(app, &admin, samples).await;
    let walker = Walker::new(api, &here, &elsewhere).await.unwrap();
    (walker, samples)
}

#[tokio::test]
async fn every_route_lets_in_whom_it_names_and_nobody_else() {
    let api = plane::api().await;
    let (router, document) = plane::routes(&api).into_parts();
    let app = web::app(router);
    let (walker, samples) = prepared(&api, &app).await;
    let found = walker.walk(&app, &document, &samples).await.unwrap();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn openapi_access_is_that_of_the_page_about_it() {
    let api = plane::api().await;
    let (_router, document) = plane::routes(&api).into_parts();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/access.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut generated = page.clone();
    for (name, table) in [
        ("roles", roles_table()),
        ("routes", routes_table(&document)),
    ] {
        let (begin, end) = (
            format!("<!-- {name}:begin -->\n"),
            format!("<!-- {name}:end -->"),
        );
        let (before, rest) = generated.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        generated = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, generated).unwrap();
    } else {
        assert!(
            page == generated,
            "docs/access.md is not what the code says; `cargo xtask openapi` writes it anew"
        );
    }
}
