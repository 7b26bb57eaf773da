//! Lists pools.

use super::{PoolView, view};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::pool::Pool;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};
use wire::{Check, PoolName};

/// No filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// A page of pools.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolList {
    /// The pools, by name.
    pools: Vec<PoolView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// List pools, by name.
#[utoipa::path(
    get,
    path = "/api/agents/pools",
    tag = "pools",
    params(PageParams),
    responses((status = 200, description = "A page of pools.", body = PoolList))
)]
pub(crate) async fn list_pools(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<PoolList>, Problem> {
    let after: Option<PoolName> = list.position(caller.tenant())?;
    let tenant = api.store.tenant(&caller.scope);
    let pools = tenant
        .pools(after.as_ref(), list.limit)
        .await
        .or_problem()?;
    let agents = tenant.known_agents(None, api.now()).await.or_problem()?;
    let end = pools.last().filter(|_| pools.len() >= list.limit as usize);
    let next_cursor = list.next_cursor(caller.tenant(), end.map(|pool| &pool.pool_name));
    let view = |pool: &Pool| {
        let own = agents
            .iter()
            .filter(|agent| agent.pool_name == pool.pool_name);
        view(pool, own.map(|agent| agent.standing).collect())
    };
    Ok(Json(PoolList {
        pools: pools.iter().map(view).collect(),
        next_cursor,
    }))
}
