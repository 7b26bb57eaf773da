//! What people and their tools change of jobs, pools, agents, their credentials, and deployments.

use crate::compat::call::Call;
use crate::compat::story::jobs::{job, whole_job};
use crate::compat::story::{SHA, ada};
use serde_json::{Value, json};

fn change(method: &str, path: &str, body: &Value) -> Call {
    ada(method, path).json(body)
}

fn jobs() -> Vec<Call> {
    let enqueue = |key: &str, body: &Value| {
        Call::new("POST", "/api/queue/jobs")
            .by("ci_token")
            .header("idempotency-key", key)
            .json(body)
            .after(1)
    };
    let batch = json!({ "jobs": [job(&json!({}))] });
    vec![
        // Of the version before, once more: the same job.
        enqueue("whole", &whole_job()),
        enqueue("whole", &job(&json!({}))),
        enqueue("new", &whole_job()).save("new", "/job/job_id"),
        change("POST", "/api/queue/jobs/batch", &batch).after(1),
        change("POST", "/api/dashboard/jobs", &job(&json!({}))).after(1),
        change(
            "PATCH",
            "/api/queue/jobs/{{normal}}/priority",
            &json!({ "priority": "CRITICAL" }),
        ),
        ada("DELETE", "/api/queue/jobs/{{low}}"),
        ada("DELETE", "/api/queue/jobs/{{running}}"),
        ada("DELETE", "/api/queue/jobs/{{done}}"),
        ada("POST", "/api/queue/jobs/{{failed}}/retry"),
        ada("POST", "/api/dashboard/jobs/{{dead}}/retry"),
        ada("POST", "/api/dashboard/jobs/{{cancelled}}/retry"),
        ada("POST", "/api/dashboard/jobs/{{elsewhere}}/cancel"),
        ada("PATCH", "/api/dashboard/jobs/{{backing_off}}/complete"),
        ada("POST", "/api/queue/maintenance/requeue-expired"),
        ada("GET", "/api/dashboard/jobs/{{dead}}"),
    ]
}

fn pools_and_agents() -> Vec<Call> {
    vec![
        change(
            "POST",
            "/api/agents/pools",
            &json!({ "pool_name": "fresh" }),
        ),
        change(
            "PATCH",
            "/api/agents/pools/metal",
            &json!({ "enabled": true, "max_agents": 5 }),
        ),
        change(
            "POST",
            "/api/agents/pools/linux/scale",
            &json!({ "desired_agents": 4 }),
        ),
        ada("POST", "/api/agents/pools/spare/drain"),
        ada("DELETE", "/api/agents/pools/spare"),
        ada("DELETE", "/api/agents/pools/linux"),
        change(
            "PATCH",
            "/api/agents/{{paused_id}}/status",
            &json!({ "status": "HEALTHY" }),
        ),
        ada("POST", "/api/agents/{{draining_id}}/deregister"),
    ]
}

fn credentials() -> Vec<Call> {
    let named = json!({ "name": "new", "pool_name": "linux" });
    let hmac = json!({ "name": "new", "pool_name": "linux", "algorithm": "HMAC_SHA256" });
    let rule = json!({
        "name": "new", "pool_name": "linux", "issuer": "https://new.example.com", "claims": { "sub": "x" }
    });
    let delete = |path: &str| ada("DELETE", &format!("/api/agents/{path}"));
    vec![
        change("POST", "/api/agents/keys", &named),
        change("POST", "/api/agents/enrolment-tokens", &named),
        change("POST", "/api/agents/signing-keys", &hmac),
        change("POST", "/api/agents/trust-rules", &rule),
        change("POST", "/api/agents/keys/{{key_id}}/rotate", &json!({})),
        delete("keys/{{rotated_key_id}}"),
        delete("enrolment-tokens/{{open_enrolment_id}}"),
        delete("signing-keys/{{hmac_id}}"),
        delete("trust-rules/{{rule_id}}"),
        ada("GET", "/api/agents/{{workload_id}}"),
    ]
}

fn deployments() -> Vec<Call> {
    let step = |name: &str, step: &str, body: &Value| {
        let path = format!("/api/dashboard/deployments/{{{{{name}}}}}/{step}");
        change("POST", &path, body)
    };
    let job = json!({ "job_id": "{{done}}" });
    let new = json!({ "service_name": "shop", "service_version": "2.0.0", "git_commit_sha": SHA });
    vec![
        change("POST", "/api/dashboard/deployments", &new),
        step("pending", "production", &job),
        step("pending", "staging", &job),
        step("staged", "production", &job),
        step(
            "staged",
            "rollback",
            &json!({ "to_version": "1.1.0", "reason": "slow" }),
        ),
        step("pending", "fail", &json!({ "reason": "broken" })),
        ada("GET", "/api/dashboard/deployments/{{superseded}}"),
        ada("GET", "/api/dashboard/services"),
    ]
}

pub(super) fn calls() -> Vec<Call> {
    [jobs(), pools_and_agents(), credentials(), deployments()].concat()
}
