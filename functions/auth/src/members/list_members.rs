//! Lists the members of an organisation.

use super::MemberView;
use crate::sessions::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberList {
    /// The members, those first who signed in for the first time last.
    members: Vec<MemberView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List the members of the organisation.
#[utoipa::path(
    get,
    path = "/auth/members",
    tag = "members",
    params(PageParams),
    responses((status = 200, description = "A page of members.", body = MemberList))
)]
pub(crate) async fn list_members(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<MemberList>, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .members(list.limit, after.as_ref())
        .await
        .or_problem()?;
    Ok(Json(MemberList {
        members: page.members.iter().map(MemberView::from).collect(),
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
    }))
}
