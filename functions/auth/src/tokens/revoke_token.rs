//! Revokes an API token.

use super::Reach;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use http::StatusCode;
use store::{KeyId, Revocation};
use web::{ApiPath, Problem};

/// Revoke an API token.
///
/// One's own; an owner and an administrator revoke everybody's. It opens nothing from its next request on. Revoking it again
/// answers the same.
#[utoipa::path(
    delete,
    path = "/auth/tokens/{key_id}",
    tag = "tokens",
    params(("key_id" = String, Path, description = "The public part of the token.")),
    responses((status = 204, description = "The token is revoked."))
)]
pub(crate) async fn revoke_token(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(key_id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let key_id = KeyId::parse(&key_id).map_err(|_| Problem::not_found("token"))?;
    let tenant = api.store.tenant(&caller.scope);
    let reach = Reach::of(&caller);
    let seen = tenant
        .api_token(&key_id)
        .await
        .or_problem()?
        .filter(|seen| reach.covers(seen))
        .ok_or_else(|| Problem::not_found("token"))?;
    if seen.revoked_at.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let resource = Resource::new("token", &key_id);
    let revoke = Box::pin(async {
        let by = caller.created_by();
        let revoked = tenant
            .revoke_credential(&key_id, &by, api.now(), || api.entropy.bytes())
            .await
            .or_problem()?;
        match revoked {
            Revocation::Revoked => Ok(Audited::Changed((), Change::new())),
            Revocation::AlreadyRevoked => Ok(Audited::Unchanged(())),
            Revocation::Unknown => Err(Problem::not_found("token")),
        }
    });
    api.audited(&caller, (Action::TokenRevoke, resource), revoke)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
