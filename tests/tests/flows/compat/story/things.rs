//! Deployments in every state.

use super::{SHA, World, ada, maintain};
use serde_json::json;

async fn deployment(world: &mut World, name: &str, version: &str) {
    let body = json!({
        "service_name": "shop", "service_version": version, "git_commit_sha": SHA, "git_author": "ada"
    });
    let call = ada("POST", "/api/dashboard/deployments")
        .json(&body)
        .save(name, "/deployment/deployment_id");
    world.succeed(call).await;
}

async fn step(world: &mut World, name: &str, step: &str) {
    let path = format!("/api/dashboard/deployments/{{{{{name}}}}}/{step}");
    let body = json!({ "job_id": "{{done}}" });
    world.succeed(ada("POST", &path).json(&body)).await;
}

pub(super) async fn tell(world: &mut World) {
    for (name, version) in [
        ("live", "1.0.0"),
        ("superseded", "1.1.0"),
        ("rolled_back", "1.2.0"),
    ] {
        deployment(world, name, version).await;
        step(world, name, "staging").await;
        step(world, name, "production").await;
    }
    let back = json!({ "to_version": "1.0.0", "reason": "too slow" });
    let path = "/api/dashboard/deployments/{{rolled_back}}/rollback";
    world.succeed(ada("POST", path).json(&back)).await;
    maintain(world, 1).await;
    deployment(world, "broken", "1.3.0").await;
    let broken = json!({ "reason": "does not start" });
    let path = "/api/dashboard/deployments/{{broken}}/fail";
    world.succeed(ada("POST", path).json(&broken)).await;
    deployment(world, "staged", "1.4.0").await;
    step(world, "staged", "staging").await;
    deployment(world, "pending", "1.5.0").await;
}
