//! Lists agents.

use crate::view::{self, AgentList};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::AgentFilter;
use utoipa::IntoParams;
use web::{Listing, PageParams, Problem};
use wire::{AgentStatus, Check, PoolName};

/// Which agents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those of this pool.
    pool_name: Option<PoolName>,
    /// Those in this status.
    status: Option<AgentStatus>,
}

impl Check for Filters {}

/// Which healthy agents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthyFilters {
    /// Those of this pool.
    pool_name: Option<PoolName>,
}

impl Check for HealthyFilters {}

/// List agents.
///
/// Those that have a session come first, then those that are gone, which are kept for a day; newest first. A page looks at
/// up to 1,000 agents to find those that are asked for.
#[utoipa::path(
    get,
    path = "/api/agents",
    tag = "agents",
    params(Filters, PageParams),
    responses((status = 200, description = "A page of agents.", body = AgentList))
)]
pub(crate) async fn list_agents(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<Filters>,
) -> Result<Json<AgentList>, Problem> {
    let filter = AgentFilter {
        pool: list.filters.pool_name.clone(),
        statuses: list.filters.status.into_iter().collect(),
    };
    page(&api, &caller, &list, &filter).await
}

/// List agents that take work.
#[utoipa::path(
    get,
    path = "/api/agents/healthy",
    tag = "agents",
    params(HealthyFilters, PageParams),
    responses((status = 200, description = "A page of agents that are `HEALTHY` or `DEGRADED`.", body = AgentList))
)]
pub(crate) async fn list_healthy_agents(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<HealthyFilters>,
) -> Result<Json<AgentList>, Problem> {
    let filter = AgentFilter {
        pool: list.filters.pool_name.clone(),
        statuses: vec![AgentStatus::Healthy, AgentStatus::Degraded],
    };
    page(&api, &caller, &list, &filter).await
}

async fn page<T>(
    api: &Api,
    caller: &Caller,
    list: &Listing<T>,
    filter: &AgentFilter,
) -> Result<Json<AgentList>, Problem> {
    let now = api.now();
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .agents(filter, list.limit as usize, after.as_ref(), now)
        .await
        .or_problem()?;
    Ok(Json(AgentList {
        agents: page
            .agents
            .iter()
            .map(|agent| view::agent(agent, now))
            .collect(),
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
    }))
}
