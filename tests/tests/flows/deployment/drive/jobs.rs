//! Jobs, from their line to their end; and deployments.

use super::caller::text;
use super::tenant::{Tenant, job};
use crate::deployment::functions::Functions;
use serde_json::{Value, json};

/// What becomes of jobs while everything goes well, or is made to fail by people.
pub(super) async fn lives(functions: &Functions, tenant: &Tenant) {
    let agent = tenant.agent().await;
    let (admin, clock) = (&tenant.admin, &functions.api.clock);
    let once = admin.with("idempotency-key", "the-same");
    for status in [201, 200] {
        once.post(status, "/api/queue/jobs", job(&[])).await;
        let batch = json!({ "jobs": [job(&[]), job(&[("priority", json!("LOW"))])] });
        once.post(status, "/api/queue/jobs/batch", batch).await;
    }
    let path = "/api/dashboard/jobs";
    admin
        .post(201, path, job(&[("priority", json!("HIGH"))]))
        .await;
    // A job may be the first of its pool, whichever function puts it in line.
    for (path, pool) in [(path, "dashboard"), ("/api/queue/jobs", "queue")] {
        let first = job(&[("pool_name", json!(pool))]);
        admin.post(201, path, first).await;
    }
    clock.advance_seconds(1);
    let done = agent.start().await;
    agent
        .itself
        .get(&format!("/api/queue/jobs/{}", done.0))
        .await;
    agent.complete(&done, 0).await;
    let failed = agent.start().await;
    agent.complete(&failed, 1).await;
    // One that waits before its next attempt, one that runs, and one that is claimed.
    agent.start().await;
    agent.claim().await.unwrap();
    for shown in ["running", done.0.as_str(), failed.0.as_str()] {
        admin.get(&format!("/api/dashboard/jobs/{shown}")).await;
    }
    lists(tenant, &agent.id).await;
    clock.advance_seconds(10);
    agent.beat().await;
    let again = agent.start().await;
    agent.complete(&again, 0).await;
    // Until the line is empty; the claim that finds nothing sweeps.
    for _ in 0..8 {
        clock.advance_seconds(2);
        if agent.claim().await.is_none() {
            break;
        }
    }
    by_hand(tenant).await;
    let stats = "/api/queue/stats";
    admin.get(stats).await;
    admin.get(&format!("{stats}?pool_name=default")).await;
    admin
        .post(200, "/api/queue/maintenance/requeue-expired", Value::Null)
        .await;
}

/// Every list with every filter, page by page.
async fn lists(tenant: &Tenant, agent: &str) {
    let states = [
        "QUEUED",
        "CLAIMED",
        "RUNNING",
        "COMPLETED",
        "FAILED",
        "DEAD_LETTERED",
        "CANCELLED",
    ];
    let mut lists: Vec<String> = Vec::new();
    for state in states {
        lists.push(format!("/api/queue/jobs?status={state}"));
        lists.push(format!("/api/dashboard/jobs?status={state}"));
        lists.push(format!("/api/agents/{agent}/jobs?status={state}"));
    }
    let others = [
        "/api/queue/jobs",
        "/api/queue/jobs?pool_name=default",
        "/api/queue/jobs?pool_name=default&status=QUEUED",
        "/api/dashboard/jobs",
        "/api/dashboard/jobs?q=shop",
        "/api/dashboard/jobs/running",
    ];
    lists.extend(others.map(str::to_owned));
    lists.push(format!("/api/queue/jobs?agent_id={agent}"));
    lists.push(format!("/api/queue/jobs?agent_id={agent}&status=RUNNING"));
    lists.push(format!("/api/agents/{agent}/jobs"));
    for list in lists {
        tenant.admin.pages(&list).await;
    }
    for path in [
        "/api/dashboard/summary",
        "/health",
        "/info",
        "/api/docs",
        "/api/openapi.json",
    ] {
        tenant.admin.get(path).await;
    }
}

/// What people do to jobs, by the queue and by the dashboard.
async fn by_hand(tenant: &Tenant) {
    let admin = &tenant.admin;
    for (cancel, retry) in [
        (
            "DELETE /api/queue/jobs/{id}",
            "POST /api/queue/jobs/{id}/retry",
        ),
        (
            "POST /api/dashboard/jobs/{id}/cancel",
            "POST /api/dashboard/jobs/{id}/retry",
        ),
    ] {
        let id = tenant.job(&[]).await;
        let call = async |operation: &str, body: Value| {
            let operation = operation.replace("{id}", &id);
            admin.expect(200, &operation, body).await;
        };
        let high = json!({ "priority": "HIGH" });
        call("PATCH /api/queue/jobs/{id}/priority", high).await;
        for _ in 0..2 {
            call(cancel, Value::Null).await;
        }
        call(retry, Value::Null).await;
        call("PATCH /api/dashboard/jobs/{id}/complete", json!({})).await;
    }
}

/// Deployments, of which everything but their lists is seen elsewhere.
pub(super) async fn deployments(tenant: &Tenant) {
    let admin = &tenant.admin;
    let path = "/api/dashboard/deployments";
    let mut ids = Vec::new();
    for version in ["1.0.0", "1.1.0"] {
        let new = json!({
            "service_name": "shop", "service_version": version,
            "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        });
        for status in [201, 200] {
            let again = admin.with("idempotency-key", version);
            let made = again.post(status, path, new.clone()).await;
            ids.push(text(&made.json, "/deployment/deployment_id"));
        }
        let job = json!({ "job_id": tenant.job(&[]).await });
        let id = ids.last().unwrap();
        admin
            .post(200, &format!("{path}/{id}/staging"), job.clone())
            .await;
        for _ in 0..2 {
            admin
                .post(200, &format!("{path}/{id}/production"), job.clone())
                .await;
        }
        admin.get(&format!("{path}/{id}")).await;
        admin.get(&format!("{path}/{id}/history")).await;
    }
    let back = json!({ "to_version": "1.0.0", "reason": "slow" });
    admin
        .post(200, &format!("{path}/{}/rollback", ids[3]), back)
        .await;
    for list in [
        "/api/dashboard/deployments",
        "/api/dashboard/deployments?status=LIVE",
        "/api/dashboard/deployments?service_name=shop",
        "/api/dashboard/deployments/service/shop",
        "/api/dashboard/services",
        "/api/dashboard/services/shop/deployments",
        "/api/dashboard/audit",
        "/api/dashboard/audit?action=job.cancel",
        "/api/dashboard/audit?from=2020-01-01T00:00:00Z&to=2030-01-01T00:00:00Z",
    ] {
        admin.pages(list).await;
    }
    admin.get("/api/dashboard/audit/export?limit=3").await;
}
