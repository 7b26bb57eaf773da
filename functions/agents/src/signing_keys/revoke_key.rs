//! Revokes a signing key.

use crate::credentials::{key_id, revoke};
use auth::{Action, Api, Caller};
use axum::extract::State;
use http::StatusCode;
use store::AgentCredential;
use web::{ApiPath, Problem};

/// Revoke a signing key.
///
/// The agents that registered with it are ended and their jobs go back to the queue. Revoking it again answers the same.
#[utoipa::path(
    delete,
    path = "/api/agents/signing-keys/{key_id}",
    tag = "enrolment",
    params(("key_id" = String, Path, description = "The id of the key.")),
    responses((status = 204, description = "The key is revoked."))
)]
pub(crate) async fn revoke_signing_key(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let id = key_id(&id, "signing key")?;
    let revoked = (AgentCredential::SigningKey, &id);
    let action = (Action::SigningKeyRevoke, "signing_key");
    revoke(&api, &caller, revoked, action).await?;
    Ok(StatusCode::NO_CONTENT)
}
