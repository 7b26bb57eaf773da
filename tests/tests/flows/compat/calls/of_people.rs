//! What people do about themselves and their organisation.

use crate::compat::call::Call;
use crate::compat::story::ada;
use serde_json::json;

const ORIGIN: &str = "https://ci.example.com";

/// With the session that a browser was given by the version before.
fn browser(method: &str, path: &str) -> Call {
    Call::new(method, path)
        .header("cookie", "__Host-hcp_session={{browser}}")
        .header("origin", ORIGIN)
        .header("x-hcp-csrf", "1")
}

fn validate(name: &str) -> Call {
    Call::new("POST", "/auth/validate").by(name)
}

fn accept(name: &str, invitation: &str) -> Call {
    let body = json!({ "token": format!("{{{{{invitation}_invitation}}}}") });
    Call::new("POST", "/auth/invitations/accept")
        .by(name)
        .json(&body)
}

pub(super) fn calls() -> Vec<Call> {
    let sign_in = json!({ "provider": "github", "access_token": "gho_2" });
    let token = json!({ "name": "new", "scopes": ["jobs:read"] });
    vec![
        validate("ada"),
        validate("ben"),
        validate("ci_token"),
        validate("cleo"),
        browser("POST", "/auth/validate"),
        // The version before sent the browser to its provider.
        Call::new(
            "GET",
            "/auth/callback/github?code=gho_2&state={{late_state}}",
        )
        .header("cookie", "__Host-hcp_login={{late_login}}"),
        // Somebody who was there before.
        Call::new("POST", "/auth/session")
            .json(&sign_in)
            .after(1)
            .save("ben_again", "/session_token"),
        Call::new("GET", "/auth/sessions")
            .by("ben_again")
            .save("session_again", "/sessions/0/session_id"),
        Call::new("DELETE", "/auth/sessions/{{session_again}}").by("ben_again"),
        validate("ben_again"),
        accept("fritz", "open"),
        accept("fritz", "open"),
        accept("fritz", "revoked"),
        accept("ben", "ben"),
        Call::new("POST", "/auth/organisations/{{ada_org}}/switch")
            .by("fritz")
            .save("fritz_here", "/session_token"),
        Call::new("GET", "/api/queue/jobs?limit=1").by("fritz_here"),
        ada("POST", "/auth/invitations").json(&json!({ "role": "VIEWER" })),
        ada("DELETE", "/auth/invitations/{{second_open_invitation_id}}"),
        ada("PUT", "/auth/members/{{ben_id}}").json(&json!({ "role": "VIEWER" })),
        ada("PUT", "/auth/members/{{ada_id}}").json(&json!({ "role": "ADMIN" })),
        ada("DELETE", "/auth/members/{{ben_id}}"),
        validate("ben"),
        ada("POST", "/auth/tokens").json(&token),
        ada("POST", "/auth/tokens/{{spare_token_id}}/rotate").json(&json!({})),
        ada("DELETE", "/auth/tokens/{{ci_token_id}}"),
        validate("ci_token"),
        browser("DELETE", "/auth/sessions?keep_current=true"),
        browser("POST", "/auth/logout"),
        browser("POST", "/auth/validate"),
        Call::new("POST", "/auth/organisations/{{ada_org}}/leave").by("fritz_here"),
        ada("GET", "/auth/members"),
    ]
}
