//! Takes somebody out of an organisation.

use super::{MemberView, TRIES, contended, last_owner, not_allowed, require_owner_for};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use http::StatusCode;
use store::MemberOutcome;
use web::{ApiPath, Problem};
use wire::UserId;

/// Remove a member.
///
/// Their sessions in the organisation and their tokens open nothing from their next request on. Only an owner removes an owner,
/// and the last one stays. It takes somebody who has signed in: an API token removes nobody.
#[utoipa::path(
    delete,
    path = "/auth/members/{user_id}",
    tag = "members",
    params(("user_id" = UserId, Path, description = "The person.")),
    responses((status = 204, description = "The person is no member any more."))
)]
pub(crate) async fn remove_member(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(user_id): ApiPath<UserId>,
) -> Result<StatusCode, Problem> {
    let resource = Resource::new("member", &user_id);
    let removal = take_out(&api, &caller, &user_id, Leaving::Removed);
    api.audited(&caller, (Action::MemberRemove, resource), removal)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why somebody goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Somebody else says so: for an owner, that has to be one.
    Removed,
    /// They do.
    OfThemselves,
}

/// Ends a membership, and with it what hangs on it: the sessions and tokens that bear its handle open nothing any more.
pub(crate) async fn take_out(
    api: &Api,
    caller: &Caller,
    user_id: &UserId,
    leaving: Leaving,
) -> Result<Audited<()>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let missing = || Problem::not_found("member");
    let mut seen = tenant
        .member(user_id)
        .await
        .or_problem()?
        .ok_or_else(missing)?;
    let write_id = api.write_id();
    for _ in 0..TRIES {
        if leaving == Leaving::Removed {
            require_owner_for(caller, &[seen.role])?;
        }
        let by = caller.handle().filter(|_| leaving == Leaving::Removed);
        let removed = tenant.remove_member(&seen, by.as_ref(), &write_id).await;
        match removed.or_problem()? {
            MemberOutcome::Changed(_) => {
                let change = Change::new()
                    .before(&MemberView::from(&seen))
                    .with("role", seen.role);
                return Ok(Audited::Changed((), change));
            }
            MemberOutcome::Stale(member) => seen = member,
            MemberOutcome::LastOwner => return Err(last_owner()),
            MemberOutcome::NotAllowed => return Err(not_allowed()),
            MemberOutcome::Missing => return Err(missing()),
        }
    }
    Err(contended())
}
