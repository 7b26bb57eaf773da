//! Lists the organisations that a person is in.

use crate::view::MembershipView;
use auth::{Api, OrProblem, PersonCaller};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::Problem;
use wire::TenantId;

/// What a person is in. It is one page: nobody is in more than 50 organisations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrganisationList {
    /// The organisations, those first that the person has been in for longest.
    organisations: Vec<MembershipView>,
    /// The one that this session is in.
    current: TenantId,
    /// Always null.
    next_cursor: Option<String>,
}

/// List the organisations that one is in.
#[utoipa::path(
    get,
    path = "/auth/organisations",
    tag = "members",
    responses((status = 200, description = "The organisations.", body = OrganisationList))
)]
pub(crate) async fn list_organisations(
    State(api): State<Api>,
    caller: PersonCaller,
) -> Result<Json<OrganisationList>, Problem> {
    let own = api.store.person(&caller.person);
    let memberships = own.memberships().await.or_problem()?;
    Ok(Json(OrganisationList {
        organisations: memberships.iter().map(MembershipView::from).collect(),
        current: caller.scope.tenant().clone(),
        next_cursor: None,
    }))
}
