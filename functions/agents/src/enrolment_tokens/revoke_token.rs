//! Revokes an enrolment token.

use crate::credentials::{key_id, revoke};
use auth::{Action, Api, Caller};
use axum::extract::State;
use http::StatusCode;
use store::AgentCredential;
use web::{ApiPath, Problem};

/// Revoke an enrolment token.
///
/// If an agent has registered with it, that agent is ended and its jobs go back to the queue. Revoking it again answers the same.
#[utoipa::path(
    delete,
    path = "/api/agents/enrolment-tokens/{key_id}",
    tag = "enrolment",
    params(("key_id" = String, Path, description = "The public part of the token.")),
    responses((status = 204, description = "The token is revoked."))
)]
pub(crate) async fn revoke_enrolment_token(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let id = key_id(&id, "enrolment")?;
    let revoked = (AgentCredential::Enrolment, &id);
    revoke(
        &api,
        &caller,
        revoked,
        (Action::EnrolmentRevoke, "enrolment"),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
