//! An agent that does what the test says: the agent's protocol without the agent.

use crate::harness::{Answer, Api, Plane};
use reqwest::Method;
use serde_json::{Value, json};
use wire::{
    AgentId, ClaimResponse, CompleteResponse, HeartbeatResponse, Job, JobId, JobResponse,
    RegisterResponse,
};

/// A session of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) api: Api,
    pub(crate) id: AgentId,
}

impl Scripted {
    /// Registers in the pool `default` of a plane.
    pub(crate) async fn register(plane: &Plane) -> Self {
        Self::register_with(&Api::new(&plane.url(), &plane.agent_key()), "default").await
    }

    /// Registers with a caller that has an agent key.
    pub(crate) async fn register_with(key: &Api, pool: &str) -> Self {
        let request = json!({
            "pool_name": pool, "version": "0.1.0", "hostname": "scripted", "os": "linux", "arch": "x86_64",
            "max_concurrent_jobs": 100,
        });
        let answer = key.post("/api/agents/register", &request).await;
        let registered: RegisterResponse = answer.read();
        Self {
            api: key.with_token(&registered.session_token),
            id: registered.agent_id,
        }
    }

    /// Says that it is alive, and which jobs it holds.
    pub(crate) async fn heartbeat(&self, held: &[&Job]) -> HeartbeatResponse {
        let jobs: Vec<Value> = held
            .iter()
            .map(|job| json!({ "job_id": job.job_id, "attempt": job.attempt }))
            .collect();
        let request = json!({
            "cpu_percent": 1.0, "memory_percent": 1.0, "disk_percent": 1.0, "uptime_seconds": 1, "jobs": jobs,
        });
        let path = format!("/api/agents/{}/heartbeat", self.id);
        self.api.post(&path, &request).await.read()
    }

    /// Asks for work.
    pub(crate) async fn claim(&self, max_jobs: u32) -> Vec<Job> {
        let request = json!({ "max_jobs": max_jobs });
        let answer = self.api.post("/api/queue/claim", &request).await;
        answer.read::<ClaimResponse>().jobs
    }

    /// Asks for work that is there.
    pub(crate) async fn claim_one(&self) -> Job {
        let mut jobs = self.claim(1).await;
        assert_eq!(jobs.len(), 1, "there is a job to claim");
        jobs.remove(0)
    }

    /// Starts a job.
    pub(crate) async fn start(&self, job: &Job) -> Job {
        let path = format!("/api/queue/jobs/{}/start", job.job_id);
        let answer = self
            .api
            .patch(&path, &json!({ "attempt": job.attempt }))
            .await;
        answer.read::<JobResponse>().job
    }

    /// Reports how a job ended.
    pub(crate) async fn complete(&self, job: &Job, exit_code: i32) -> CompleteResponse {
        self.report(&job.job_id, job.attempt, exit_code)
            .await
            .read()
    }

    /// Reports how an attempt ended, whether or not it may.
    pub(crate) async fn report(&self, job: &JobId, attempt: u32, exit_code: i32) -> Answer {
        let path = format!("/api/queue/jobs/{job}/complete");
        let body = json!({ "attempt": attempt, "exit_code": exit_code, "duration_seconds": 1.5 });
        self.api.call(Method::PATCH, &path, Some(&body)).await
    }
}
