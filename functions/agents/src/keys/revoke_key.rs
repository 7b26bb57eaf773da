//! Revokes an agent key.

use crate::credentials::{key_id, revoke};
use auth::{Action, Api, Caller};
use axum::extract::State;
use http::StatusCode;
use store::AgentCredential;
use web::{ApiPath, Problem};

/// Revoke an agent key.
///
/// The agents that registered with it are ended and their jobs go back to the queue. With very many agents, or if something
/// fails half-way, the answer is 503: the same request again goes on where that one stopped. Revoking it again answers the same.
#[utoipa::path(
    delete,
    path = "/api/agents/keys/{key_id}",
    tag = "enrolment",
    params(("key_id" = String, Path, description = "The public part of the key.")),
    responses((status = 204, description = "The key is revoked."))
)]
pub(crate) async fn revoke_agent_key(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let id = key_id(&id, "agent key")?;
    let revoked = (AgentCredential::Key, &id);
    revoke(
        &api,
        &caller,
        revoked,
        (Action::AgentKeyRevoke, "agent_key"),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
