//! Deployments, through their routes on the embedded engine.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use auth::{Api, Environment, Scope, Token};
use axum::Router;
use axum::body::Body;
use embedded_dynamodb::Engine;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{CredentialKind, NewApiToken, Store, Tables};
use tower::ServiceExt;
use web::Clock;
use wire::{TenantId, Timestamp};

const DEPLOYMENTS: &str = "/api/dashboard/deployments";
const JOB: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const OTHER_JOB: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDF";
const UNKNOWN: &str = "deploy-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";

struct World {
    api: Api,
    app: Router,
    token: String,
}

impl World {
    async fn new() -> Self {
        let client = Engine::memory().unwrap().client();
        let store = Store::new(client, Tables::default(), telemetry::Meter::default());
        store.create_tables().await.unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
        let api = Api {
            name: "dashboard",
            version: "0.1.0",
            ..Api::testing(store, clock)
        };
        let app = web::app(crate::routes(api.clone()).into_parts().0);
        let token = token(&api, "acme").await;
        Self { api, app, token }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        key: &str,
        body: Value,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", bearer);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let request = request
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, &self.token, "", Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, &self.token, "", body).await
    }

    async fn create(&self, service: &str, version: &str) -> String {
        self.api.clock.advance_seconds(1);
        let (status, answer) = self.post(DEPLOYMENTS, body(service, version)).await;
        assert_eq!(status, 201, "{answer}");
        assert_eq!(answer["deployment"]["status"], "PENDING");
        answer["deployment"]["deployment_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn act(&self, id: &str, action: &str, body: Value) -> (u16, Value) {
        self.api.clock.advance_seconds(1);
        self.post(&format!("{DEPLOYMENTS}/{id}/{action}"), body)
            .await
    }

    async fn go_live(&self, id: &str) {
        for action in ["staging", "production"] {
            let (status, answer) = self.act(id, action, json!({"job_id": JOB})).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    async fn status(&self, id: &str) -> String {
        let (_, answer) = self.get(&format!("{DEPLOYMENTS}/{id}")).await;
        answer["deployment"]["status"].as_str().unwrap().to_owned()
    }
}

async fn token(api: &Api, tenant: &str) -> String {
    let tenant = TenantId::parse(tenant).unwrap();
    let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
    let token = Token::issue(Environment::Test, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "test".to_owned(),
        scopes: vec![
            Scope::DeploymentsRead.to_string(),
            Scope::DeploymentsWrite.to_string(),
            Scope::JobsRead.to_string(),
        ],
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    api.store
        .tenant(&scope)
        .create_api_token(&new, api.now())
        .await
        .unwrap();
    token.bearer()
}

fn body(service: &str, version: &str) -> Value {
    json!({
        "service_name": service,
        "service_version": version,
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "git_author": "dev@example.com",
        "build_job_id": JOB,
    })
}

#[tokio::test]
async fn a_deployment_goes_live_supersedes_the_last_and_is_rolled_back() {
    let world = World::new().await;
    let first = world.create("shop", "1.0").await;
    let second = world.create("shop", "1.1").await;
    world.go_live(&first).await;
    world.go_live(&second).await;
    assert_eq!(world.status(&first).await, "SUPERSEDED");
    let back = json!({"to_version": "1.0", "reason": "errors in the basket"});
    let (status, answer) = world.act(&second, "rollback", back.clone()).await;
    let deployment = &answer["deployment"];
    assert_eq!(
        (status, &deployment["status"]),
        (200, &json!("ROLLED_BACK"))
    );
    assert_eq!(deployment["rollback"]["to_version"], "1.0");
    assert_eq!(deployment["production"]["job_id"], JOB);
    assert_eq!(
        world.act(&second, "rollback", back).await.0,
        200,
        "a repeat"
    );
    assert_eq!(world.status(&first).await, "LIVE");
    let (_, services) = world.get("/api/dashboard/services").await;
    let live = &services["services"][0]["live"];
    assert_eq!(
        (&live["deployment_id"], &live["service_version"]),
        (&json!(first), &json!("1.0"))
    );
    let (_, history) = world.get(&format!("{DEPLOYMENTS}/{first}/history")).await;
    let statuses: Vec<_> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["status"].clone())
        .collect();
    assert_eq!(
        statuses,
        ["LIVE", "SUPERSEDED", "LIVE", "STAGED", "PENDING"]
    );
}

#[tokio::test]
async fn what_a_deployment_may_not_do_is_409_and_changes_nothing() {
    let world = World::new().await;
    let id = world.create("shop", "1.0").await;
    let job = json!({"job_id": JOB});
    let back = json!({"to_version": "0.9", "reason": "x"});
    let expect = async |action: &str, body: &Value, status: u16| {
        let (got, answer) = world.act(&id, action, body.clone()).await;
        assert_eq!(got, status, "{action}: {answer}");
        if status == 409 {
            assert_eq!(answer["code"], "illegal_transition");
        }
    };
    expect("production", &job, 409).await;
    expect("rollback", &back, 409).await;
    assert_eq!(world.status(&id).await, "PENDING");
    expect("staging", &job, 200).await;
    expect("staging", &job, 200).await;
    expect("staging", &json!({"job_id": OTHER_JOB}), 409).await;
    expect("production", &job, 200).await;
    expect("production", &job, 200).await;
    expect("fail", &json!({"reason": "late"}), 409).await;
    expect("rollback", &back, 409).await;
    assert_eq!(world.status(&id).await, "LIVE");
    let given_up = world.create("shop", "1.1").await;
    let (status, answer) = world
        .act(&given_up, "fail", json!({"reason": "tests fail"}))
        .await;
    assert_eq!(
        (status, &answer["deployment"]["status"]),
        (200, &json!("FAILED"))
    );
    assert_eq!(world.act(&given_up, "staging", job).await.0, 409);
}

#[tokio::test]
async fn a_key_creates_one_deployment_and_refuses_another_body() {
    let world = World::new().await;
    let send = async |version: &str| {
        world
            .send(
                "POST",
                DEPLOYMENTS,
                &world.token,
                "once",
                body("shop", version),
            )
            .await
    };
    let (status, created) = send("1.0").await;
    assert_eq!(status, 201);
    assert_eq!(send("1.0").await, (200, created));
    let (status, answer) = send("1.1").await;
    assert_eq!(
        (status, &answer["code"]),
        (409, &json!("idempotency_conflict"))
    );
}

#[tokio::test]
async fn lists_have_pages_and_services_have_theirs() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for (service, version) in [("shop", "1"), ("shop", "2"), ("mail", "1"), ("shop", "3")] {
        ids.insert(0, world.create(service, version).await);
    }
    let listed = |answer: &Value| -> Vec<String> {
        let found = answer["deployments"].as_array().unwrap();
        found
            .iter()
            .map(|one| one["deployment_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, first) = world.get(&format!("{DEPLOYMENTS}?limit=3")).await;
    assert_eq!(listed(&first), ids[..3]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = world
        .get(&format!("{DEPLOYMENTS}?limit=3&cursor={cursor}"))
        .await;
    assert_eq!(listed(&second), ids[3..]);
    assert_eq!(second["next_cursor"], Value::Null);
    for path in [
        format!("{DEPLOYMENTS}/service/shop"),
        "/api/dashboard/services/shop/deployments".to_owned(),
    ] {
        let (_, answer) = world.get(&path).await;
        assert_eq!(listed(&answer), [&ids[0][..], &ids[2], &ids[3]], "{path}");
        let (status, answer) = world.get(&format!("{path}?cursor={cursor}")).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_cursor")));
        assert_eq!(world.get(&path.replace("shop", "none")).await.0, 404);
    }
    let (_, staged) = world.get(&format!("{DEPLOYMENTS}?status=staged")).await;
    assert_eq!(listed(&staged), [""; 0]);
    let (_, services) = world.get("/api/dashboard/services?limit=1").await;
    assert_eq!(services["services"][0]["service_name"], "mail");
    let cursor = services["next_cursor"].as_str().unwrap();
    let (_, services) = world
        .get(&format!("/api/dashboard/services?limit=1&cursor={cursor}"))
        .await;
    let shop = &services["services"][0];
    assert_eq!(
        (&shop["service_name"], &shop["deployments"]),
        (&json!("shop"), &json!(3))
    );
}

#[tokio::test]
async fn another_tenant_finds_nothing_and_changes_nothing() {
    let world = World::new().await;
    let id = world.create("shop", "1.0").await;
    let other = token(&world.api, "globex").await;
    let job = json!({"job_id": JOB});
    let reason = json!({"reason": "x"});
    for (method, rest, body) in [
        ("GET", "", Value::Null),
        ("GET", "/history", Value::Null),
        ("POST", "/staging", job.clone()),
        ("POST", "/production", job),
        ("POST", "/fail", reason),
        (
            "POST",
            "/rollback",
            json!({"to_version": "1", "reason": "x"}),
        ),
    ] {
        for (bearer, id) in [(&other, id.as_str()), (&world.token, UNKNOWN)] {
            let path = format!("{DEPLOYMENTS}/{id}{rest}");
            let (status, answer) = world.send(method, &path, bearer, "", body.clone()).await;
            assert_eq!(
                (status, &answer["code"]),
                (404, &json!("not_found")),
                "{method} {path}"
            );
        }
    }
    let path = "/api/dashboard/services/shop/deployments";
    assert_eq!(
        world.send("GET", path, &other, "", Value::Null).await.0,
        404
    );
    let (_, answer) = world
        .send("GET", DEPLOYMENTS, &other, "", Value::Null)
        .await;
    assert_eq!(answer["deployments"], json!([]));
    assert_eq!(world.status(&id).await, "PENDING");
}

#[tokio::test]
async fn every_fault_of_a_request_is_answered_with_its_pointer() {
    let world = World::new().await;
    let id = world.create("shop", "1.0").await;
    let with = |name: &str, value: Value| {
        let mut body = body("shop", "1.0");
        body[name] = value;
        body
    };
    let long = "x".repeat(201);
    for (path, body, pointer) in [
        ("", json!({}), "/service_name"),
        ("", with("service_name", json!("Shop")), "/service_name"),
        ("", with("service_version", json!("")), "/service_version"),
        (
            "",
            with("service_version", json!("x".repeat(65))),
            "/service_version",
        ),
        ("", with("git_commit_sha", json!("main")), "/git_commit_sha"),
        ("", with("git_author", json!("a\u{202e}b")), "/git_author"),
        ("", with("build_job_id", json!("deploy-1")), "/build_job_id"),
        ("", with("tenant", json!("globex")), "/tenant"),
        ("/staging", json!({}), "/job_id"),
        ("/production", json!({"job_id": "x"}), "/job_id"),
        ("/fail", json!({"reason": ""}), "/reason"),
        ("/fail", json!({"reason": long}), "/reason"),
        ("/rollback", json!({"reason": "x"}), "/to_version"),
        (
            "/rollback",
            json!({"to_version": "1", "reason": "x", "force": true}),
            "/force",
        ),
    ] {
        let path = if path.is_empty() {
            DEPLOYMENTS.to_owned()
        } else {
            format!("{DEPLOYMENTS}/{id}{path}")
        };
        let (status, answer) = world.post(&path, body.clone()).await;
        assert_eq!(status, 400, "{path} {body}");
        assert_eq!(
            answer["errors"][0]["pointer"], pointer,
            "{path} {body}: {answer}"
        );
    }
    for (query, pointer) in [
        ("status=NOPE", "/query/status"),
        ("service=x", "/query/service"),
        ("limit=0", "/query/limit"),
    ] {
        let (status, answer) = world.get(&format!("{DEPLOYMENTS}?{query}")).await;
        assert_eq!(
            (status, &answer["errors"][0]["pointer"]),
            (400, &json!(pointer))
        );
    }
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/junk")).await.0, 404);
}

#[tokio::test]
async fn concurrent_promotions_leave_one_deployment_live() {
    let world = std::sync::Arc::new(World::new().await);
    let mut ids = Vec::new();
    for number in 0..8 {
        let id = world.create("shop", &format!("1.{number}")).await;
        world.act(&id, "staging", json!({"job_id": JOB})).await;
        ids.push(id);
    }
    let tasks: Vec<_> = ids
        .iter()
        .cloned()
        .map(|id| {
            let world = world.clone();
            tokio::spawn(async move { world.act(&id, "production", json!({"job_id": JOB})).await })
        })
        .collect();
    for task in tasks {
        let (status, answer) = task.await.unwrap();
        assert!(
            status == 200 || answer["code"] == "contended",
            "{status} {answer}"
        );
    }
    let mut live = Vec::new();
    for id in &ids {
        if world.status(id).await == "LIVE" {
            live.push(json!(id));
        }
    }
    let (_, services) = world.get("/api/dashboard/services").await;
    assert_eq!(
        live,
        [services["services"][0]["live"]["deployment_id"].clone()]
    );
    let (_, summary) = world.get("/api/dashboard/summary").await;
    assert_eq!(summary["deployments_active"], 1);
    assert_eq!(summary["deployments_today"], 8);
    assert_eq!(summary["recent_deployments"].as_array().unwrap().len(), 5);
}
