//! What agents ask: those that were there go on, and others come.

use crate::compat::call::Call;
use crate::compat::story::agents::{heartbeat, register, register_signed};
use crate::compat::story::jobs::{claim, complete, start};
use crate::compat::world::World;
use serde_json::json;

/// Agents stand in lists by when they came.
fn later(call: Call) -> Call {
    call.after(1)
}

pub(super) fn calls(world: &World) -> Vec<Call> {
    let held = |name: &str, attempt: u32| json!({ "job_id": format!("{{{{{name}}}}}"), "attempt": attempt });
    let jobs = json!([
        held("running", 1),
        held("to_complete", 1),
        held("to_cancel", 1),
        held("claimed", 1),
        held("dead", 2)
    ]);
    let none = json!([]);
    let mut calls = vec![
        heartbeat("worker", 50, &jobs).after(1),
        start("worker", "claimed", 1),
        start("worker", "claimed", 1),
        complete(
            "worker",
            "to_complete",
            &json!({ "exit_code": 0, "logs_url": "s3://ci-logs/a.log" }),
        ),
        complete("worker", "to_complete", &json!({ "exit_code": 0 })),
        complete(
            "worker",
            "to_cancel",
            &json!({ "exit_code": 130, "cause": "CANCELLED" }),
        ),
        // Of an attempt that is over.
        complete("worker", "dead", &json!({ "attempt": 1, "exit_code": 0 })),
        complete("ghost", "lost", &json!({ "exit_code": 0 })),
        claim("worker").save("given", "/job/job_id"),
        start("worker", "given", 1),
        complete("worker", "given", &json!({ "exit_code": 3 })),
        claim("paused"),
        heartbeat("degraded", 10, &none),
        heartbeat("draining", 10, &none),
        heartbeat("paused", 10, &none),
        heartbeat("ghost", 10, &none),
        heartbeat("gone", 10, &none),
        heartbeat("ended", 10, &none),
        heartbeat("late", 10, &none),
        // In every way that there is.
        later(register("key"))
            .save("another", "/session_token")
            .save("another_id", "/agent_id"),
        later(register("rotated_key")),
        later(register("new_key")),
        later(register("revoked_key")),
        later(register("open_enrolment")),
        later(register("enrolment")),
        later(register("revoked_enrolment")),
        later(register("late_workload_token")),
        later(register("workload_token")),
    ];
    let now = world.now().as_millis() / 1000;
    for key in ["hmac", "ed25519", "revoked_hmac"] {
        calls.push(later(register_signed(
            world,
            key,
            "nonce-of-the-calls",
            now,
        )));
    }
    calls.extend([
        heartbeat("another", 10, &none),
        claim("another"),
        Call::new("POST", "/api/agents/{{another_id}}/deregister").by("another"),
        Call::new("POST", "/api/agents/{{degraded_id}}/deregister").by("degraded"),
    ]);
    calls
}
