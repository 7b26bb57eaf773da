//! What an agent needs at its start.

use crate::register_agent::seconds;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::timing::{HEARTBEAT_INTERVAL_SECONDS, LEASE_SECONDS, START_WITHIN_SECONDS};
use web::{ApiPath, Problem};
use wire::{AgentConfig, AgentId};

/// The environments that a deployment goes through, in order.
const DEPLOYMENT_TARGETS: [&str; 2] = ["staging", "production"];

/// Show what an agent needs at its start.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/config",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "Its pool, intervals and targets.", body = AgentConfig))
)]
pub(crate) async fn get_agent_config(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<AgentId>,
) -> Result<Json<AgentConfig>, Problem> {
    let agent = api
        .store
        .tenant(&caller.scope)
        .agent(&id)
        .await
        .or_problem()?;
    let agent = agent.ok_or_else(|| Problem::not_found("agent"))?;
    Ok(Json(AgentConfig {
        agent_id: agent.agent_id,
        pool_name: agent.pool_name,
        heartbeat_interval_seconds: seconds(HEARTBEAT_INTERVAL_SECONDS),
        lease_seconds: seconds(LEASE_SECONDS),
        start_within_seconds: seconds(START_WITHIN_SECONDS),
        max_concurrent_jobs: agent.max_concurrent_jobs,
        deployment_targets: DEPLOYMENT_TARGETS.map(str::to_owned).into(),
    }))
}
