//! Lists relays.

use crate::view::{self, RelayView};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};
use wire::{Check, RelayId};

/// No filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// A page of relays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelayList {
    /// The relays, newest first.
    relays: Vec<RelayView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// List relays, newest first.
#[utoipa::path(
    get,
    path = "/api/relays",
    tag = "relays",
    params(PageParams),
    responses((status = 200, description = "A page of relays.", body = RelayList))
)]
pub(crate) async fn list_relays(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<RelayList>, Problem> {
    let after: Option<RelayId> = list.position(caller.tenant())?;
    let now = api.now();
    // There are at most as many as one read gives, newest first, which is the order of their ids backwards.
    let mut relays = api
        .store
        .tenant(&caller.scope)
        .relays()
        .await
        .or_problem()?;
    if let Some(after) = &after {
        relays.retain(|relay| relay.relay_id < *after);
    }
    let limit = list.limit as usize;
    let is_more = relays.len() > limit;
    relays.truncate(limit);
    let end = relays.last().filter(|_| is_more);
    Ok(Json(RelayList {
        next_cursor: list.next_cursor(caller.tenant(), end.map(|relay| &relay.relay_id)),
        relays: relays.iter().map(|relay| view::relay(relay, now)).collect(),
    }))
}
