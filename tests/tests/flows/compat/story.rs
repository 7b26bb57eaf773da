//! What happens on a control plane until there is everything in its tables that there can be, in every state.

pub(super) mod agents;
pub(super) mod jobs;
mod people;
mod things;

use super::call::{Call, MAINTAIN};
use super::providers::ISSUER;
use super::world::World;
use oidc::testing::SigningKey;
use serde_json::{Value, json};
use wire::Timestamp;

/// When it begins: 2026-01-05T08:00:00Z.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_767_600_000_000);

/// A commit that jobs and deployments are of.
pub(super) const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Tells the story. What comes of it that requests need is known to the world by its name.
pub(super) async fn tell(world: &mut World, issuer: &SigningKey) {
    people::tell(world).await;
    workload_token(world, issuer, "workload_token");
    agents::tell(world).await;
    jobs::tell(world).await;
    things::tell(world).await;
    people::tell_end(world).await;
    agents::tell_end(world).await;
    // The clock goes on once more, so that nothing was just now: what is new is read differently.
    maintain(world, 240).await;
    agents::stay_alive(world).await;
    jobs::tell_end(world).await;
    maintain(world, 1).await;
    people::open_browser(world).await;
    agents::register_late(world).await;
    cursors(world).await;
    let head = ada("GET", "/api/dashboard/audit?limit=1").save("audit_head", "/head/sequence");
    world.succeed(head).await;
    workload_token(world, issuer, "late_workload_token");
}

/// A workload gets a token of its issuer.
fn workload_token(world: &mut World, issuer: &SigningKey, name: &str) {
    let now = world.now().as_millis() / 1000;
    let audience = format!("https://ci.example.com/agents/{}", world.text("ada_org"));
    let token = issuer.token(&json!({
        "iss": ISSUER, "aud": audience, "sub": "build", "ref": "refs/tags/v1",
        "iat": now, "exp": now + 300, "jti": name
    }));
    world.known.insert(name.to_owned(), token);
}

/// A request of Ada's, who owns the organisation.
pub(super) fn ada(method: &str, path: &str) -> Call {
    Call::new(method, path).by("ada")
}

/// A pass of maintenance, that much later.
async fn maintain(world: &mut World, after_seconds: i64) {
    let pass = world
        .perform(&Call::new(MAINTAIN, "").after(after_seconds))
        .await;
    assert_eq!(pass.body, json!({ "sweep_errors": 0, "roll_up_errors": 0 }));
}

/// One JSON object with the members of both.
fn both(one: Value, other: &Value) -> Value {
    let mut both = one;
    for (name, value) in other.as_object().unwrap() {
        both[name] = value.clone();
    }
    both
}

/// Lists that go on: their cursors outlive the version that gave them.
pub(super) const LISTS: [(&str, &str); 9] = [
    ("jobs_cursor", "/api/queue/jobs?limit=1"),
    ("running_cursor", "/api/dashboard/jobs/running?limit=1"),
    ("ended_cursor", "/api/dashboard/jobs?limit=2&status=FAILED"),
    ("agents_cursor", "/api/agents?limit=2"),
    ("pools_cursor", "/api/agents/pools?limit=2"),
    ("keys_cursor", "/api/agents/keys?limit=2"),
    ("deployments_cursor", "/api/dashboard/deployments?limit=1"),
    ("tokens_cursor", "/auth/tokens?limit=2"),
    ("audit_cursor", "/api/dashboard/audit?limit=2"),
];

async fn cursors(world: &mut World) {
    for (name, path) in LISTS {
        world
            .succeed(ada("GET", path).save(name, "/next_cursor"))
            .await;
    }
}
