//! An organisation with credentials for people and for agents.

use super::caller::{Caller, text};
use crate::deployment::functions::Functions;
use crate::harness::Credentials;
use axum::Router;
use serde_json::{Value, json};
use wire::{ShortText, TenantId};

const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// An organisation.
pub(super) struct Tenant {
    pub(super) admin: Caller,
    /// The bearer of an agent key for the pool `default`.
    pub(super) key: Caller,
}

/// An agent that has registered.
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) itself: Caller,
}

impl Tenant {
    pub(super) async fn new(functions: &Functions, app: &Router, name: &str) -> Self {
        let (api, credentials) = (
            &functions.api,
            Credentials::create(&functions.api, name).await,
        );
        let tenant = TenantId::parse(name).unwrap();
        let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
        let name = ShortText::parse(name).unwrap();
        let tenant = api.store.tenant(&scope);
        tenant.ensure_organisation(&name, api.now()).await.unwrap();
        Self {
            admin: Caller::new(app, &credentials.api_token),
            key: Caller::new(app, &credentials.agent_key),
        }
    }

    pub(super) async fn agent(&self) -> Agent {
        register(&self.key).await
    }

    /// Puts a job in line: its id.
    pub(super) async fn job(&self, changes: &[(&str, Value)]) -> String {
        let enqueued = self.admin.post(201, "/api/queue/jobs", job(changes)).await;
        enqueued.text("/job/job_id")
    }
}

/// Registers an agent with that credential.
pub(super) async fn register(with: &Caller) -> Agent {
    let registered = with.post(201, "/api/agents/register", registration()).await;
    let session = registered.text("/session_token");
    Agent {
        id: registered.text("/agent_id"),
        itself: with
            .without_headers()
            .with("authorization", &format!("Bearer {session}")),
    }
}

pub(super) fn registration() -> Value {
    json!({ "pool_name": "default", "version": "1.0.0", "max_concurrent_jobs": 10 })
}

/// A valid job with some of its fields changed.
pub(super) fn job(changes: &[(&str, Value)]) -> Value {
    let mut job = json!({
        "job_type": "build", "pool_name": "default",
        "git_repo": "https://git.example.com/shop.git", "git_commit_sha": SHA,
    });
    for (name, value) in changes {
        job[*name] = value.clone();
    }
    job
}

impl Agent {
    pub(super) async fn beat(&self) {
        let path = format!("/api/agents/{}/heartbeat", self.id);
        let alive = json!({
            "cpu_percent": 1, "memory_percent": 1, "disk_percent": 1, "uptime_seconds": 1, "jobs": []
        });
        self.itself.post(200, &path, alive).await;
    }

    /// Claims a job: its id and attempt, if there was one.
    pub(super) async fn claim(&self) -> Option<(String, u64)> {
        let claimed = self.itself.post(200, "/api/queue/claim", json!({})).await;
        let job = &claimed.json["job"];
        let attempt = job["attempt"].as_u64()?;
        Some((text(job, "/job_id"), attempt))
    }

    /// Claims a job and starts it.
    pub(super) async fn start(&self) -> (String, u64) {
        let (id, attempt) = self.claim().await.unwrap();
        let path = format!("PATCH /api/queue/jobs/{id}/start");
        let body = json!({ "attempt": attempt });
        self.itself.expect(200, &path, body).await;
        (id, attempt)
    }

    pub(super) async fn complete(&self, (id, attempt): &(String, u64), exit_code: u32) {
        let path = format!("PATCH /api/queue/jobs/{id}/complete");
        let body = json!({ "attempt": attempt, "exit_code": exit_code, "duration_seconds": 1 });
        self.itself.expect(200, &path, body).await;
    }
}
