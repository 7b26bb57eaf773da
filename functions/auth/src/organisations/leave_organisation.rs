//! Somebody leaves an organisation.

use crate::browser::with_cookie;
use crate::members::{Leaving, take_out};
use auth::{Action, Api, Caller, PersonCaller, Resource, cookie};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::{ApiPath, Problem};
use wire::TenantId;

/// Leave the organisation that the session is in.
///
/// The session ends with the membership. The last owner cannot leave.
#[utoipa::path(
    post,
    path = "/auth/organisations/{tenant}/leave",
    tag = "members",
    params(("tenant" = TenantId, Path, description = "The organisation, which has to be the session's own.")),
    responses((status = 204, description = "The person is no member any more."))
)]
pub(crate) async fn leave_organisation(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiPath(tenant): ApiPath<TenantId>,
) -> Result<Response, Problem> {
    if tenant != *caller.tenant() {
        return Err(Problem::not_found("organisation"));
    }
    let resource = Resource::new("member", &person.user_id);
    let leaving = take_out(&api, &caller, &person.user_id, Leaving::OfThemselves);
    api.audited(&caller, (Action::MemberLeave, resource), leaving)
        .await?;
    with_cookie(
        StatusCode::NO_CONTENT.into_response(),
        cookie::end_session(),
    )
}
