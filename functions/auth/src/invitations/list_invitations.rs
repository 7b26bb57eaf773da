//! Lists open invitations.

use super::InvitationView;
use crate::sessions::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of invitations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationList {
    /// The invitations that can still be accepted, newest first.
    invitations: Vec<InvitationView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List the open invitations of the organisation.
#[utoipa::path(
    get,
    path = "/auth/invitations",
    tag = "members",
    params(PageParams),
    responses((status = 200, description = "A page of invitations.", body = InvitationList))
)]
pub(crate) async fn list_invitations(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<InvitationList>, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .invitations(list.limit, after.as_ref(), api.now())
        .await
        .or_problem()?;
    let next_cursor = list.next_cursor(caller.tenant(), page.next.as_ref());
    let invitations = page.invitations.into_iter();
    Ok(Json(InvitationList {
        invitations: invitations.map(InvitationView::from).collect(),
        next_cursor,
    }))
}
