//! Lists agent keys.

use super::AgentKeyView;
use crate::credentials::NoFilters;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::AgentCredential;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};

/// A page of agent keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentKeyList {
    /// The keys, newest first, without those that were revoked.
    keys: Vec<AgentKeyView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List agent keys.
#[utoipa::path(
    get,
    path = "/api/agents/keys",
    tag = "enrolment",
    params(PageParams),
    responses((status = 200, description = "A page of keys.", body = AgentKeyList))
)]
pub(crate) async fn list_agent_keys(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<AgentKeyList>, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .agent_credentials(AgentCredential::Key, list.limit, after.as_ref())
        .await
        .or_problem()?;
    Ok(Json(AgentKeyList {
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
        keys: page.entries.into_iter().map(AgentKeyView::from).collect(),
    }))
}
