//! People, organisations, sessions, tokens, invitations.

use super::{World, ada};
use crate::compat::call::Call;
use serde_json::json;

/// A tool signs somebody in: their session, and their organisation.
async fn sign_in(world: &mut World, name: &str, number: u32) {
    let body = json!({ "provider": "github", "access_token": format!("gho_{number}") });
    let call = Call::new("POST", "/auth/session")
        .json(&body)
        .save(name, "/session_token")
        .save(&format!("{name}_id"), "/user/user_id")
        .save(&format!("{name}_org"), "/organisation/organisation_id");
    world.succeed(call).await;
}

async fn invite(world: &mut World, name: &str, role: &str) {
    let call = ada("POST", "/auth/invitations")
        .json(&json!({ "role": role }))
        .save(&format!("{name}_invitation"), "/invitation_token")
        .save(
            &format!("{name}_invitation_id"),
            "/invitation/invitation_id",
        );
    world.succeed(call).await;
}

/// Somebody joins Ada's organisation, and goes on in it.
async fn join(world: &mut World, name: &str, number: u32, role: &str) {
    sign_in(world, name, number).await;
    invite(world, name, role).await;
    let body = json!({ "token": format!("{{{{{name}_invitation}}}}") });
    let accept = Call::new("POST", "/auth/invitations/accept");
    world.succeed(accept.by(name).json(&body)).await;
    let switch = Call::new("POST", "/auth/organisations/{{ada_org}}/switch");
    world
        .succeed(switch.by(name).save(name, "/session_token"))
        .await;
}

async fn token(world: &mut World, name: &str, scopes: &[&str]) {
    let body = json!({ "name": name, "scopes": scopes, "expires_in_seconds": 2_592_000 });
    let call = ada("POST", "/auth/tokens")
        .json(&body)
        .save(name, "/api_token")
        .save(&format!("{name}_id"), "/token/key_id");
    world.succeed(call).await;
}

pub(super) async fn tell(world: &mut World) {
    sign_in(world, "ada", 1).await;
    join(world, "ben", 2, "DEVELOPER").await;
    join(world, "cleo", 3, "VIEWER").await;
    // Cleo is removed, and what she had is good for nothing any more.
    world
        .succeed(ada("DELETE", "/auth/members/{{cleo_id}}"))
        .await;
    // Somebody who is only in an organisation of their own, until an invitation is accepted later.
    sign_in(world, "fritz", 4).await;
    invite(world, "open", "DEVELOPER").await;
    invite(world, "second_open", "VIEWER").await;
    invite(world, "revoked", "VIEWER").await;
    let revoke = "/auth/invitations/{{revoked_invitation_id}}";
    world.succeed(ada("DELETE", revoke)).await;
    let work = [
        "jobs:read",
        "jobs:write",
        "agents:read",
        "deployments:write",
    ];
    token(world, "ci_token", &work).await;
    token(world, "rotated_token", &["jobs:read"]).await;
    token(world, "revoked_token", &["jobs:read"]).await;
    token(world, "spare_token", &["jobs:read"]).await;
    let rotate = ada("POST", "/auth/tokens/{{rotated_token_id}}/rotate")
        .json(&json!({}))
        .save("new_token", "/api_token")
        .save("new_token_id", "/token/key_id");
    world.succeed(rotate).await;
    let revoke = "/auth/tokens/{{revoked_token_id}}";
    world.succeed(ada("DELETE", revoke)).await;
}

/// What a browser gets, and what it keeps while its person is at the provider.
pub(super) async fn open_browser(world: &mut World) {
    let begin = |name: &str| {
        Call::new("GET", "/auth/login/github?return_to=/jobs")
            .save(&format!("{name}_login"), "cookie:__Host-hcp_login")
            .save(&format!("{name}_state"), "location:state")
    };
    world.succeed(begin("browser")).await;
    let back = "/auth/callback/github?code=gho_2&state={{browser_state}}";
    let back = Call::new("GET", back)
        .header("cookie", "__Host-hcp_login={{browser_login}}")
        .save("browser", "cookie:__Host-hcp_session");
    world.succeed(back).await;
    // Another one is still on its way.
    world.succeed(begin("late")).await;
}

/// Tokens are used.
pub(super) async fn tell_end(world: &mut World) {
    let jobs = Call::new("GET", "/api/queue/jobs?limit=1").by("ci_token");
    world.succeed(jobs).await;
    let jobs = Call::new("GET", "/api/queue/jobs?limit=1").by("new_token");
    world.succeed(jobs).await;
}
