//! Deletes a trust rule.

use crate::credentials::key_id;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use http::StatusCode;
use store::Revocation;
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
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let by = caller.created_by();
        let deleted = tenant
            .delete_trust_rule(&id, &by, api.now(), || api.entropy.bytes())
            .await
            .or_problem()?;
        match deleted {
            Revocation::Revoked => Ok(Audited::Changed(StatusCode::NO_CONTENT, Change::new())),
            Revocation::AlreadyRevoked => Ok(Audited::Unchanged(StatusCode::NO_CONTENT)),
            Revocation::Unknown => Err(Problem::not_found("trust rule")),
        }
    };
    let subject = (Action::TrustRuleDelete, Resource::new("trust_rule", &id));
    Box::pin(api.audited(&caller, subject, change)).await
}
