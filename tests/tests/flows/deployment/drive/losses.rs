//! What goes wrong: agents that fall silent, jobs that take too long, functions that die on the way.

use super::tenant::{Tenant, register};
use crate::deployment::functions::{Functions, ISSUER};
use auth::Limits;
use embedded_dynamodb::Fault;
use serde_json::{Value, json};

/// How long until an agent that was not heard of is lost, and a claim that was not followed by a start is over.
const SILENCE_SECONDS: i64 = 120;

/// Agents are lost with what they hold, and jobs overrun. Somebody asks for what is due, or a claim finds it.
pub(super) async fn found_by_the_queue(functions: &Functions, tenant: &Tenant) {
    let requeue = "/api/queue/maintenance/requeue-expired";
    happen(functions, tenant).await;
    tenant.admin.post(200, requeue, Value::Null).await;
    happen(functions, tenant).await;
    let agent = tenant.agent().await;
    // Each claim looks after one shard, once a second.
    for _ in 0..8 {
        functions.api.clock.advance_seconds(2);
        agent.claim().await;
    }
}

/// The same, found by maintenance.
pub(super) async fn found_by_maintenance(functions: &Functions, tenant: &Tenant) {
    happen(functions, tenant).await;
    let maintenance = functions.maintenance();
    for _ in 0..2 {
        let summary = maintenance.run_once().await;
        assert_eq!(summary.sweeps.errors + summary.roll_ups.errors, 0);
        functions.api.clock.advance_seconds(SILENCE_SECONDS);
    }
}

/// Two agents fall silent, one of them after the start of a job and one before. A third goes on with a job for too long.
async fn happen(functions: &Functions, tenant: &Tenant) {
    let short = [("timeout_seconds", json!(60)), ("max_attempts", json!(1))];
    for changes in [&[][..], &[], &short] {
        tenant.job(changes).await;
    }
    let (silent, slow) = (tenant.agent().await, tenant.agent().await);
    silent.start().await;
    tenant.agent().await.claim().await.unwrap();
    slow.start().await;
    for _ in 0..SILENCE_SECONDS / 20 {
        functions.api.clock.advance_seconds(20);
        slow.beat().await;
    }
}

/// Functions die after what they have begun, and maintenance ends it.
pub(super) async fn cut_off(functions: &Functions, tenant: &Tenant) {
    // A key is revoked, and its agents are not ended.
    let path = "/api/agents/keys";
    let made = json!({ "name": "cut off", "pool_name": "default" });
    let made = tenant.admin.post(201, path, made).await;
    let bearer = format!("Bearer {}", made.text("/agent_key"));
    let key = tenant.admin.without_headers();
    let agent = register(&key.with("authorization", &bearer)).await;
    tenant.job(&[]).await;
    agent.start().await;
    let key = format!("DELETE {path}/{}", made.text("/key/key_id"));
    // A trust rule is deleted, and is still on its list.
    let path = "/api/agents/trust-rules";
    let made = json!({
        "name": "cut off", "pool_name": "default", "issuer": ISSUER, "claims": { "sub": "cut off" }
    });
    let made = tenant.admin.post(201, path, made).await;
    let rule = format!("DELETE {path}/{}", made.text("/trust_rule/key_id"));

    let (app, _) = functions.serve_with(Limits::default(), |call| {
        match (call.operation, call.table) {
            ("GetItem" | "UpdateItem", Some("agents"))
            | ("TransactWriteItems", Some("credentials" | "audit")) => Fault::Throttle,
            _ => Fault::None,
        }
    });
    for operation in [key, rule] {
        let died = tenant.admin.on(&app).send(&operation, &Value::Null).await;
        assert_eq!(died.status, 503, "{operation}: {}", died.json);
    }
    let status = async || {
        let shown = tenant.admin.get(&format!("/api/agents/{}", agent.id)).await;
        shown.text("/agent/status")
    };
    assert_ne!(status().await, "TERMINATED");
    functions.api.clock.advance_seconds(SILENCE_SECONDS);
    let summary = functions.maintenance().run_once().await;
    assert_eq!(summary.roll_ups.errors, 0);
    assert_eq!(status().await, "TERMINATED");
}
