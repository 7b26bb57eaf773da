//! Jobs in every state, and with every past.

use super::agents::heartbeat;
use super::{SHA, World, ada, both, maintain};
use crate::compat::call::Call;
use serde_json::{Value, json};

/// A job of which everything is said that can be.
pub(in crate::compat) fn whole_job() -> Value {
    json!({
        "job_type": "build", "pool_name": "linux", "priority": "HIGH",
        "git_repo": "https://git.example.com/acme/shop", "git_ref": "refs/heads/main", "git_commit_sha": SHA,
        "git_author": "ada", "tags": { "branch": "main", "kind": "nightly" },
        "spec_ref": "s3://ci-specs/build.json", "spec_sha256": "ab".repeat(32),
        "timeout_seconds": 600, "max_attempts": 2
    })
}

pub(in crate::compat) fn job(more: &Value) -> Value {
    let least = json!({
        "job_type": "test", "pool_name": "linux", "git_repo": "https://git.example.com/acme/shop",
        "git_commit_sha": SHA
    });
    both(least, more)
}

pub(in crate::compat) fn claim(agent: &str) -> Call {
    let body = json!({ "pool_name": "linux", "max_jobs": 1 });
    Call::new("POST", "/api/queue/claim").by(agent).json(&body)
}

pub(in crate::compat) fn start(agent: &str, name: &str, attempt: u32) -> Call {
    let path = format!("/api/queue/jobs/{{{{{name}}}}}/start");
    let body = json!({ "attempt": attempt });
    Call::new("PATCH", &path).by(agent).json(&body)
}

pub(in crate::compat) fn complete(agent: &str, name: &str, result: &Value) -> Call {
    let path = format!("/api/queue/jobs/{{{{{name}}}}}/complete");
    let result = both(json!({ "attempt": 1, "duration_seconds": 12.5 }), result);
    Call::new("PATCH", &path).by(agent).json(&result)
}

/// Puts a job in line.
async fn enqueue(world: &mut World, name: &str, body: &Value) {
    let call = Call::new("POST", "/api/queue/jobs")
        .by("ci_token")
        .header("idempotency-key", name)
        .json(body)
        .save(name, "/job/job_id");
    world.succeed(call).await;
}

/// The agent claims the one job that waits.
async fn claimed(world: &mut World, agent: &str, name: &str) {
    let answer = world.succeed(claim(agent)).await;
    assert_eq!(
        answer["job"]["job_id"],
        world.text(name),
        "{name}: {answer}"
    );
}

/// A job that an agent runs.
async fn running(world: &mut World, name: &str, more: &Value) {
    enqueue(world, name, &job(more)).await;
    claimed(world, "worker", name).await;
    world.succeed(start("worker", name, 1)).await;
}

pub(super) async fn tell(world: &mut World) {
    enqueue(world, "done", &whole_job()).await;
    claimed(world, "worker", "done").await;
    world.succeed(start("worker", "done", 1)).await;
    let logs = json!({ "exit_code": 0, "logs_url": "s3://ci-logs/done.log" });
    world
        .succeed(complete("worker", "done", &logs).after(5))
        .await;
    let once = json!({ "max_attempts": 1 });
    running(world, "failed", &once).await;
    let failed = json!({ "exit_code": 2, "cause": "EXIT_CODE" });
    world.succeed(complete("worker", "failed", &failed)).await;
    running(world, "retried", &once).await;
    let error = json!({ "exit_code": 1, "cause": "AGENT_ERROR" });
    world.succeed(complete("worker", "retried", &error)).await;
    let retry = "/api/queue/jobs/{{retried}}/retry";
    world.succeed(ada("POST", retry)).await;
    claimed(world, "worker", "retried").await;
    world.succeed(start("worker", "retried", 2)).await;
    let second = json!({ "attempt": 2, "exit_code": 0 });
    world.succeed(complete("worker", "retried", &second)).await;
    dead(world).await;
    cancelled(world).await;
    lost(world).await;
}

async fn dead(world: &mut World) {
    running(world, "dead", &json!({ "max_attempts": 2 })).await;
    let failed = json!({ "exit_code": 1 });
    world.succeed(complete("worker", "dead", &failed)).await;
    world
        .succeed(heartbeat("worker", 10, &json!([])).after(8))
        .await;
    claimed(world, "worker", "dead").await;
    world.succeed(start("worker", "dead", 2)).await;
    let again = json!({ "attempt": 2, "exit_code": 1 });
    world.succeed(complete("worker", "dead", &again)).await;
}

async fn cancelled(world: &mut World) {
    enqueue(world, "cancelled", &job(&json!({}))).await;
    world
        .succeed(ada("DELETE", "/api/queue/jobs/{{cancelled}}"))
        .await;
    running(world, "stopped", &json!({})).await;
    world
        .succeed(ada("POST", "/api/dashboard/jobs/{{stopped}}/cancel"))
        .await;
    let stopped = json!({ "exit_code": 130, "cause": "CANCELLED" });
    world.succeed(complete("worker", "stopped", &stopped)).await;
    running(world, "closed", &json!({})).await;
    world
        .succeed(ada("PATCH", "/api/dashboard/jobs/{{closed}}/complete"))
        .await;
}

/// Agents die, and jobs take too long.
async fn lost(world: &mut World) {
    enqueue(world, "lost", &job(&json!({ "priority": "LOW" }))).await;
    claimed(world, "ghost", "lost").await;
    world.succeed(start("ghost", "lost", 1)).await;
    running(
        world,
        "overdue",
        &json!({ "timeout_seconds": 1, "max_attempts": 1 }),
    )
    .await;
    enqueue(world, "not_started", &job(&json!({ "priority": "LOW" }))).await;
    claimed(world, "worker", "not_started").await;
    for _ in 0..4 {
        let held = json!([{ "job_id": "{{overdue}}", "attempt": 1 }]);
        world
            .succeed(heartbeat("worker", 10, &held).after(10))
            .await;
        maintain(world, 0).await;
    }
    let jobs = world
        .succeed(ada("GET", "/api/queue/jobs?status=FAILED"))
        .await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2, "{jobs}");
    for name in ["lost", "not_started"] {
        let path = format!("/api/dashboard/jobs/{{{{{name}}}}}");
        let job = world.succeed(ada("GET", &path)).await;
        assert_eq!(job["job"]["status"], "QUEUED", "{job}");
        assert_eq!(job["job"]["losses"], 1, "{job}");
        // They shall not be claimed instead of those that come.
        let path = format!("/api/queue/jobs/{{{{{name}}}}}/priority");
        let low = json!({ "priority": "LOW" });
        world.succeed(ada("PATCH", &path).json(&low)).await;
    }
}

/// Those that are under way when the version changes.
pub(super) async fn tell_end(world: &mut World) {
    running(world, "backing_off", &json!({})).await;
    let failed = json!({ "exit_code": 1 });
    world
        .succeed(complete("worker", "backing_off", &failed))
        .await;
    running(world, "running", &json!({})).await;
    running(world, "to_complete", &json!({})).await;
    running(world, "to_cancel", &json!({})).await;
    world
        .succeed(ada("DELETE", "/api/queue/jobs/{{to_cancel}}"))
        .await;
    enqueue(world, "claimed", &whole_job()).await;
    claimed(world, "worker", "claimed").await;
    for (name, priority) in [("urgent", "CRITICAL"), ("normal", "NORMAL"), ("low", "LOW")] {
        enqueue(world, name, &job(&json!({ "priority": priority }))).await;
    }
    enqueue(world, "whole", &whole_job()).await;
    enqueue(world, "elsewhere", &job(&json!({ "pool_name": "metal" }))).await;
}
