//! Pools, what agents register with, and agents in every state.

use super::{BEGIN, World, ada};
use crate::compat::call::Call;
use crate::compat::providers::ISSUER;
use crate::compat::sign::{ED25519_SEED, ed25519_public, signed};
use serde_json::{Value, json};

const REGISTER: &str = "/api/agents/register";

pub(in crate::compat) fn registration(pool: &str) -> Value {
    json!({
        "pool_name": pool, "version": "0.1.0", "hostname": "build-1", "os": "linux", "arch": "aarch64",
        "tags": { "team": "core" }, "max_concurrent_jobs": 20
    })
}

/// A registration with what is known by that name.
pub(in crate::compat) fn register(with: &str) -> Call {
    Call::new("POST", REGISTER)
        .by(with)
        .json(&registration("linux"))
}

/// A registration that is signed with the key of that name, at a time in seconds.
pub(in crate::compat) fn register_signed(
    world: &World,
    key: &str,
    nonce: &str,
    at_seconds: i64,
) -> Call {
    let body = registration("linux").to_string();
    let secret = world.known.get(&format!("{key}_secret"));
    let key_id = world.text(&format!("{key}_id"));
    let headers = signed(
        (key_id, secret.map(String::as_str)),
        (REGISTER, &body),
        (nonce, at_seconds),
    );
    let call = Call::new("POST", REGISTER).json(&registration("linux"));
    headers
        .into_iter()
        .fold(call, |call, (name, value)| call.header(name, &value))
}

async fn pool(world: &mut World, body: Value) {
    world
        .succeed(ada("POST", "/api/agents/pools").json(&body))
        .await;
}

async fn pools(world: &mut World) {
    pool(
        world,
        json!({
            "pool_name": "linux", "region": "eu-central-1", "zone": "a", "min_agents": 1,
            "max_agents": 20, "ready_shards": 2
        }),
    )
    .await;
    pool(world, json!({ "pool_name": "metal", "enabled": false })).await;
    pool(world, json!({ "pool_name": "old" })).await;
    pool(world, json!({ "pool_name": "spare" })).await;
    let scale = json!({ "desired_agents": 3 });
    world
        .succeed(ada("POST", "/api/agents/pools/linux/scale").json(&scale))
        .await;
    world
        .succeed(ada("POST", "/api/agents/pools/old/drain"))
        .await;
}

/// Something that agents register with: its secret and its id.
async fn credential(world: &mut World, path: &str, name: &str, more: &Value) {
    let (shown, view) = match path {
        "keys" => ("/agent_key", "/key/key_id"),
        "enrolment-tokens" => ("/enrolment_token", "/enrolment/key_id"),
        "signing-keys" => ("/secret_key", "/signing_key/key_id"),
        _ => ("", "/trust_rule/key_id"),
    };
    let body = super::both(json!({ "name": name, "pool_name": "linux" }), more);
    let mut call = ada("POST", &format!("/api/agents/{path}"))
        .json(&body)
        .save(&format!("{name}_id"), view);
    let is_shown = !shown.is_empty() && more["algorithm"] != "ED25519";
    if is_shown {
        let secret = if path == "signing-keys" {
            format!("{name}_secret")
        } else {
            name.to_owned()
        };
        call = call.save(&secret, shown);
    }
    world.succeed(call).await;
}

async fn credentials(world: &mut World) {
    let nothing = json!({});
    for name in ["key", "rotated_key", "revoked_key", "spare_key"] {
        credential(world, "keys", name, &nothing).await;
    }
    for name in ["enrolment", "open_enrolment", "revoked_enrolment"] {
        credential(world, "enrolment-tokens", name, &nothing).await;
    }
    let hmac = json!({ "algorithm": "HMAC_SHA256" });
    credential(world, "signing-keys", "hmac", &hmac).await;
    let ed25519 = json!({ "algorithm": "ED25519", "public_key": ed25519_public(ED25519_SEED) });
    credential(world, "signing-keys", "ed25519", &ed25519).await;
    credential(world, "signing-keys", "revoked_hmac", &hmac).await;
    let rule = json!({ "issuer": ISSUER, "claims": { "sub": "build", "ref": { "prefix": "refs/tags/" } } });
    credential(world, "trust-rules", "rule", &rule).await;
    let rule = json!({ "issuer": "https://other.example.com", "claims": { "sub": "other" } });
    credential(world, "trust-rules", "deleted_rule", &rule).await;
    let rotate = ada("POST", "/api/agents/keys/{{rotated_key_id}}/rotate")
        .json(&nothing)
        .save("new_key", "/agent_key");
    world.succeed(rotate).await;
    for path in [
        "keys/{{revoked_key_id}}",
        "enrolment-tokens/{{revoked_enrolment_id}}",
        "signing-keys/{{revoked_hmac_id}}",
        "trust-rules/{{deleted_rule_id}}",
    ] {
        world
            .succeed(ada("DELETE", &format!("/api/agents/{path}")))
            .await;
    }
}

/// An agent: its session and its id.
async fn agent(world: &mut World, name: &str, call: Call) {
    let call = call
        .save(name, "/session_token")
        .save(&format!("{name}_id"), "/agent_id");
    world.succeed(call).await;
}

pub(in crate::compat) fn heartbeat(name: &str, cpu: u32, jobs: &Value) -> Call {
    let body = json!({
        "cpu_percent": cpu, "memory_percent": 20.5, "disk_percent": 30, "uptime_seconds": 100, "jobs": jobs
    });
    Call::new("POST", &format!("/api/agents/{{{{{name}_id}}}}/heartbeat"))
        .by(name)
        .json(&body)
}

pub(super) async fn tell(world: &mut World) {
    pools(world).await;
    credentials(world).await;
    agent(world, "worker", register("key")).await;
    agent(world, "degraded", register("enrolment")).await;
    agent(world, "draining", register("rotated_key")).await;
    agent(world, "paused", register("new_key")).await;
    let now = BEGIN.as_millis() / 1000;
    let call = register_signed(world, "hmac", "nonce-of-the-story", now);
    agent(world, "signer", call).await;
    let call = register_signed(world, "ed25519", "nonce-of-the-story", now);
    agent(world, "edward", call).await;
    agent(world, "workload", register("workload_token")).await;
    for (name, status) in [("draining", "DRAINING"), ("paused", "PAUSED")] {
        let path = format!("/api/agents/{{{{{name}_id}}}}/status");
        let body = json!({ "status": status });
        world.succeed(ada("PATCH", &path).json(&body)).await;
    }
    agent(world, "gone", register("key")).await;
    let leave = "/api/agents/{{gone_id}}/deregister";
    world.succeed(Call::new("POST", leave).by("gone")).await;
    agent(world, "ghost", register("key")).await;
}

/// Those that stay are heard of.
pub(super) async fn stay_alive(world: &mut World) {
    let none = json!([]);
    for (name, cpu) in [
        ("worker", 10),
        ("degraded", 95),
        ("draining", 10),
        ("paused", 10),
        ("signer", 10),
        ("edward", 10),
        ("workload", 10),
    ] {
        world.succeed(heartbeat(name, cpu, &none)).await;
    }
}

pub(super) async fn tell_end(world: &mut World) {
    // Its key is revoked, and so it is ended.
    agent(world, "ended", register("spare_key")).await;
    world
        .succeed(ada("DELETE", "/api/agents/keys/{{spare_key_id}}"))
        .await;
}

/// An agent that maintenance has not recorded yet.
pub(super) async fn register_late(world: &mut World) {
    agent(world, "late", register("key")).await;
}
