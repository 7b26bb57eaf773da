//! Deletes a trust rule.

use crate::credentials::{key_id, revoke};
use auth::{Action, Api, Caller};
use axum::extract::State;
use http::StatusCode;
use store::AgentCredential;
use web::{ApiPath, Problem};

/// Delete a trust rule.
///
/// The agents that registered by it are ended and their jobs go back to the queue. Deleting it again answers the same. If
/// something fails half-way, the answer is 503: the same request again goes on where that one stopped.
#[utoipa::path(
    delete,
    path = "/api/agents/trust-rules/{key_id}",
    tag = "enrolment",
    params(("key_id" = String, Path, description = "The rule.")),
    responses((status = 204, description = "The rule is gone."))
)]
pub(crate) async fn delete_trust_rule(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let id = key_id(&id, "trust rule")?;
    let revoked = (AgentCredential::TrustRule, &id);
    revoke(
        &api,
        &caller,
        revoked,
        (Action::TrustRuleDelete, "trust_rule"),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
