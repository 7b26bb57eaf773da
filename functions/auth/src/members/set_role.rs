//! Changes what somebody is in an organisation.

use super::{
    MemberView, TRIES, contended, last_owner, may_hand_on, not_allowed, require_owner_for,
};
use auth::role::scopes;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource, Scope};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::MemberOutcome;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{Check, Role, UserId};

/// What somebody is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetRoleRequest {
    /// As what they are to be in the organisation.
    role: Role,
}

impl Check for SetRoleRequest {}

/// Change the role of a member.
///
/// It counts from their next request on, for their sessions and their tokens. Only an owner makes or demotes an owner, and the
/// last one stays. Whoever is no member is invited. It takes somebody who has signed in: an API token changes nobody's role.
#[utoipa::path(
    put,
    path = "/auth/members/{user_id}",
    tag = "members",
    params(("user_id" = UserId, Path, description = "The person.")),
    request_body = SetRoleRequest,
    responses((status = 200, description = "The member.", body = MemberView))
)]
pub(crate) async fn set_role(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(user_id): ApiPath<UserId>,
    ApiJson(request): ApiJson<SetRoleRequest>,
) -> Result<Json<MemberView>, Problem> {
    let resource = Resource::new("member", &user_id);
    let change = change(&api, &caller, &user_id, request.role);
    api.audited(&caller, (Action::MemberRole, resource), change)
        .await
        .map(Json)
}

/// What the second role may do and the first may not.
fn gained(from: Role, to: Role) -> Vec<Scope> {
    let had = scopes(from);
    let new = |scope: &&Scope| !had.contains(scope) && !had.contains(&Scope::Admin);
    scopes(to).iter().filter(new).copied().collect()
}

async fn change(
    api: &Api,
    caller: &Caller,
    user_id: &UserId,
    role: Role,
) -> Result<Audited<MemberView>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let missing = || Problem::not_found("member");
    let mut seen = tenant
        .member(user_id)
        .await
        .or_problem()?
        .ok_or_else(missing)?;
    let write_id = api.write_id();
    for _ in 0..TRIES {
        require_owner_for(caller, &[seen.role, role])?;
        if seen.role == role {
            return Ok(Audited::Unchanged(MemberView::from(&seen)));
        }
        may_hand_on(caller, &gained(seen.role, role))?;
        let changed = tenant
            .set_role(&seen, role, caller.handle().as_ref(), &write_id)
            .await
            .or_problem()?;
        match changed {
            MemberOutcome::Changed(member) => {
                let view = MemberView::from(&member);
                let change = Change::new()
                    .before(&MemberView::from(&seen))
                    .after(&view)
                    .with("from", seen.role)
                    .with("to", role);
                return Ok(Audited::Changed(view, change));
            }
            MemberOutcome::Stale(member) => seen = member,
            MemberOutcome::LastOwner => return Err(last_owner()),
            MemberOutcome::NotAllowed => return Err(not_allowed()),
            MemberOutcome::Missing => return Err(missing()),
        }
    }
    Err(contended())
}
