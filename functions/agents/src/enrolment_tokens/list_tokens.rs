//! Lists enrolment tokens.

use super::EnrolmentView;
use crate::credentials::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::AgentCredential;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of enrolment tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrolmentList {
    /// The tokens, newest first, without those that were used or revoked.
    enrolment_tokens: Vec<EnrolmentView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List enrolment tokens that nobody has used.
#[utoipa::path(
    get,
    path = "/api/agents/enrolment-tokens",
    tag = "enrolment",
    params(PageParams),
    responses((status = 200, description = "A page of tokens.", body = EnrolmentList))
)]
pub(crate) async fn list_enrolment_tokens(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<EnrolmentList>, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .agent_credentials(AgentCredential::Enrolment, list.limit, after.as_ref())
        .await
        .or_problem()?;
    let tokens = page.entries.into_iter();
    Ok(Json(EnrolmentList {
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
        enrolment_tokens: tokens.map(EnrolmentView::from).collect(),
    }))
}
