//! Takes an invitation back.

use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use http::StatusCode;
use store::{InvitationEnd, KeyId};
use web::{ApiPath, Problem, ProblemCode};

/// Revoke an invitation.
///
/// Revoking it again answers the same. What was accepted is no invitation any more: remove the member.
#[utoipa::path(
    delete,
    path = "/auth/invitations/{id}",
    tag = "members",
    params(("id" = String, Path, description = "The invitation.")),
    responses((status = 204, description = "Nobody can accept it any more."))
)]
pub(crate) async fn revoke_invitation(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, Problem> {
    let key_id = KeyId::parse(&id).map_err(|_| Problem::not_found("invitation"))?;
    let resource = Resource::new("invitation", &key_id);
    let revoke = async {
        let tenant = api.store.tenant(&caller.scope);
        let ended = tenant
            .revoke_invitation(&key_id, api.now(), &api.write_id())
            .await
            .or_problem()?;
        match ended {
            InvitationEnd::Revoked => Ok(Audited::Changed((), Change::new())),
            InvitationEnd::Used => Err(Problem::conflict(
                ProblemCode::IllegalTransition,
                "somebody has accepted the invitation",
            )),
            InvitationEnd::Unknown => Err(Problem::not_found("invitation")),
        }
    };
    api.audited(&caller, (Action::InvitationRevoke, resource), revoke)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
