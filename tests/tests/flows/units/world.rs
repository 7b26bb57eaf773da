//! A control plane in this process whose consumption is counted.

use crate::harness::Credentials;
use crate::plane;
use auth::{Api, Limits};
use axum::Router;
use axum::body::Body;
use embedded_dynamodb::Engine;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{Store, Tables};
use telemetry::{Meter, Usage};
use tower::ServiceExt;
use web::Clock;
use wire::Timestamp;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) api: Api,
    app: Router,
}

/// An agent, as it knows itself.
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// An answer, with the bytes that it has on the wire.
pub(crate) struct Answer {
    pub(crate) body: Value,
    pub(crate) bytes: usize,
}

impl World {
    pub(crate) async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
        // Limits are counted, and shared with other processes, as on AWS.
        let api = Api {
            limits: Limits::default(),
            ..Api::testing(store, clock)
        };
        let app = web::app(plane::routes(&api).into_parts().0);
        Self { engine, api, app }
    }

    pub(crate) async fn tenant(&self, name: &str) -> Credentials {
        Credentials::create(&self.api, name).await
    }

    /// What was consumed so far.
    pub(crate) fn consumed(&self) -> Usage {
        self.api.store.meter().total()
    }

    /// Calls, and insists on a 2xx.
    pub(crate) async fn call(
        &self,
        (method, path): (Method, &str),
        token: &str,
        body: &Value,
    ) -> Answer {
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        // Each header has a colon, a space and the end of its line.
        let headers: usize = response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(status.is_success(), "{path}: {status} {text}");
        Answer {
            body: serde_json::from_slice(&body).unwrap_or_default(),
            bytes: headers + body.len(),
        }
    }

    pub(crate) async fn enqueue(&self, token: &str) -> Answer {
        self.call((Method::POST, "/api/queue/jobs"), token, &job())
            .await
    }

    pub(crate) async fn register(&self, key: &str) -> (Agent, Answer) {
        let answer = self
            .call((Method::POST, "/api/agents/register"), key, &introduction())
            .await;
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        let agent = Agent {
            id: text("agent_id"),
            token: text("session_token"),
        };
        (agent, answer)
    }

    pub(crate) async fn heartbeat(&self, agent: &Agent) -> Answer {
        let path = format!("/api/agents/{}/heartbeat", agent.id);
        let body = json!({
            "cpu_percent": 12.5, "memory_percent": 40.0, "disk_percent": 60.0, "uptime_seconds": 60, "jobs": [],
        });
        self.call((Method::POST, &path), &agent.token, &body).await
    }

    /// Asks for one job.
    pub(crate) async fn claim(&self, agent: &Agent) -> Answer {
        let call = (Method::POST, "/api/queue/claim");
        self.call(call, &agent.token, &json!({})).await
    }

    pub(crate) async fn start(&self, agent: &Agent, job: &str) -> Answer {
        let path = format!("/api/queue/jobs/{job}/start");
        let body = json!({ "attempt": 1 });
        self.call((Method::PATCH, &path), &agent.token, &body).await
    }

    pub(crate) async fn complete(&self, agent: &Agent, job: &str) -> Answer {
        let path = format!("/api/queue/jobs/{job}/complete");
        let body = json!({ "attempt": 1, "exit_code": 0, "duration_seconds": 180.0 });
        self.call((Method::PATCH, &path), &agent.token, &body).await
    }
}

/// The job that an answer is about.
pub(crate) fn job_of(answer: &Answer) -> String {
    answer.body["job"]["job_id"].as_str().unwrap().to_owned()
}

fn job() -> Value {
    json!({
        "job_type": "build", "pool_name": "default", "git_repo": "https://github.com/example/shop.git",
        "git_ref": "refs/heads/main", "git_commit_sha": "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3",
        "git_author": "dev@example.com", "tags": { "team": "checkout" },
    })
}

fn introduction() -> Value {
    json!({
        "pool_name": "default", "version": "1.0.0", "hostname": "build-1.example.com", "os": "linux",
        "arch": "x86_64", "max_concurrent_jobs": 4,
    })
}
