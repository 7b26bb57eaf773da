//! Two tenants on one control plane. `access` calls every route with another tenant's ids; here both of them work.

use crate::harness::Credentials;
use crate::plane;
use auth::Api;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const NO_JOB: &str = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const NO_AGENT: &str = "agent-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
const POOL: &str = "default";

/// A tenant with an API token, and an agent in the pool `default`.
struct Tenant {
    app: Router,
    people: String,
    agent: String,
    agent_id: String,
}

impl Tenant {
    async fn create(api: &Api, name: &str) -> Self {
        let credentials = Credentials::create(api, name).await;
        let mut made = Self {
            app: web::app(plane::routes(api).into_parts().0),
            people: format!("Bearer {}", credentials.api_token),
            agent: String::new(),
            agent_id: String::new(),
        };
        let body = json!({ "pool_name": POOL, "version": "0.1.0", "max_concurrent_jobs": 10 });
        let path = "/api/agents/register";
        let key = format!("Bearer {}", credentials.agent_key);
        let (status, answer) = made.call(&key, "POST", path, &body).await;
        assert!((200..300).contains(&status), "{answer}");
        made.agent = format!("Bearer {}", text(&answer["session_token"]));
        text(&answer["agent_id"]).clone_into(&mut made.agent_id);
        made
    }

    async fn call(&self, bearer: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_with(bearer, method, path, body, None).await
    }

    async fn call_with(
        &self,
        bearer: &str,
        method: &str,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", bearer);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        let response = self
            .app
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(&self.people, "GET", path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn enqueue(&self) -> (u16, String) {
        let (status, body) = self
            .call_with(
                &self.people,
                "POST",
                "/api/queue/jobs",
                &job(),
                Some("nightly"),
            )
            .await;
        (status, text(&body["job"]["job_id"]).to_owned())
    }

    async fn claim(&self) -> Value {
        let body = json!({ "max_jobs": 10 });
        let (status, body) = self
            .call(&self.agent, "POST", "/api/queue/claim", &body)
            .await;
        assert_eq!(status, 200, "{body}");
        body["jobs"].clone()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn job() -> Value {
    json!({
        "job_type": "build", "pool_name": POOL, "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    })
}

/// An answer without what is different in each: the id of the request.
fn comparable((status, mut body): (u16, Value)) -> (u16, Value) {
    if let Some(members) = body.as_object_mut() {
        members.remove("instance");
    }
    (status, body)
}

#[tokio::test]
async fn two_tenants_with_pools_of_one_name_work_without_seeing_each_other() {
    let api = plane::api().await;
    let acme = Tenant::create(&api, "acme").await;
    let globex = Tenant::create(&api, "globex").await;

    let (status, acme_job) = acme.enqueue().await;
    assert_eq!(status, 201);
    // Nobody of another tenant is given it, and one idempotency key is two jobs for two tenants.
    assert_eq!(globex.claim().await, json!([]));
    let (status, globex_job) = globex.enqueue().await;
    assert_eq!(status, 201);
    assert_ne!(globex_job, acme_job);
    assert_eq!(acme.enqueue().await, (200, acme_job.clone()));

    for (tenant, own) in [(&globex, &globex_job), (&acme, &acme_job)] {
        let given = tenant.claim().await;
        assert_eq!(given.as_array().unwrap().len(), 1);
        assert_eq!(text(&given[0]["job_id"]), own);
        for path in ["/api/queue/jobs", "/api/dashboard/jobs"] {
            let listed = tenant.get(path).await;
            let ids: Vec<_> = listed["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| text(&job["job_id"]))
                .collect();
            assert_eq!(ids, [own], "{path}");
        }
        let agents = tenant.get("/api/agents").await;
        let agents = agents["agents"].as_array().unwrap();
        assert_eq!(agents.len(), 1);
        assert_eq!(text(&agents[0]["agent_id"]), tenant.agent_id);
    }
}

#[tokio::test]
async fn what_another_tenant_has_is_as_what_nobody_has() {
    let api = plane::api().await;
    let acme = Tenant::create(&api, "acme").await;
    let globex = Tenant::create(&api, "globex").await;
    let (_, job) = acme.enqueue().await;
    assert_eq!(acme.claim().await.as_array().unwrap().len(), 1);
    let before = (
        acme.get(&format!("/api/dashboard/jobs/{job}")).await,
        acme.get(&format!("/api/agents/{}", acme.agent_id)).await,
    );

    let result = json!({ "attempt": 1, "exit_code": 0, "duration_seconds": 1 });
    let beat = json!({
        "cpu_percent": 1, "memory_percent": 1, "disk_percent": 1, "uptime_seconds": 1, "jobs": [],
    });
    let (people, agent) = (&globex.people, &globex.agent);
    let calls = [
        (people, "GET", "/api/queue/jobs/{job}", json!(null)),
        (people, "DELETE", "/api/queue/jobs/{job}", json!(null)),
        (
            people,
            "PATCH",
            "/api/queue/jobs/{job}/priority",
            json!({ "priority": "LOW" }),
        ),
        (people, "POST", "/api/queue/jobs/{job}/retry", json!(null)),
        (people, "GET", "/api/dashboard/jobs/{job}", json!(null)),
        (
            people,
            "POST",
            "/api/dashboard/jobs/{job}/cancel",
            json!(null),
        ),
        (
            people,
            "POST",
            "/api/dashboard/jobs/{job}/retry",
            json!(null),
        ),
        (people, "GET", "/api/agents/{agent}", json!(null)),
        (people, "GET", "/api/agents/{agent}/jobs", json!(null)),
        (
            people,
            "PATCH",
            "/api/agents/{agent}/status",
            json!({ "status": "PAUSED" }),
        ),
        (
            people,
            "POST",
            "/api/agents/{agent}/deregister",
            json!(null),
        ),
        (agent, "GET", "/api/queue/jobs/{job}", json!(null)),
        (
            agent,
            "PATCH",
            "/api/queue/jobs/{job}/start",
            json!({ "attempt": 1 }),
        ),
        (agent, "PATCH", "/api/queue/jobs/{job}/complete", result),
        (agent, "POST", "/api/agents/{agent}/heartbeat", beat),
        (agent, "GET", "/api/agents/{agent}/config", json!(null)),
        (agent, "POST", "/api/agents/{agent}/deregister", json!(null)),
    ];
    for (bearer, method, path, body) in calls {
        let ask = async |job: &str, agent_id: &str| {
            let path = path.replace("{job}", job).replace("{agent}", agent_id);
            comparable(globex.call(bearer, method, &path, &body).await)
        };
        let other = ask(&job, &acme.agent_id).await;
        let unknown = ask(NO_JOB, NO_AGENT).await;
        assert_eq!(other, unknown, "{method} {path}");
        assert_eq!(unknown.0, 404, "{method} {path}: {}", unknown.1);
    }
    let after = (
        acme.get(&format!("/api/dashboard/jobs/{job}")).await,
        acme.get(&format!("/api/agents/{}", acme.agent_id)).await,
    );
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_cursor_is_of_no_use_to_another_tenant_or_for_another_question() {
    let api = plane::api().await;
    let acme = Tenant::create(&api, "acme").await;
    let globex = Tenant::create(&api, "globex").await;
    for _ in 0..3 {
        let (status, _) = acme
            .call(&acme.people, "POST", "/api/queue/jobs", &job())
            .await;
        assert_eq!(status, 201);
    }
    let page = acme.get("/api/queue/jobs?limit=1").await;
    let cursor = text(&page["next_cursor"]);
    acme.get(&format!("/api/queue/jobs?limit=2&cursor={cursor}"))
        .await;
    for (caller, query) in [(&globex, ""), (&acme, "&status=QUEUED")] {
        let path = format!("/api/queue/jobs?limit=1&cursor={cursor}{query}");
        let (status, body) = caller
            .call(&caller.people, "GET", &path, &Value::Null)
            .await;
        assert_eq!((status, text(&body["code"])), (400, "invalid_cursor"));
    }
}
