//! The auto-scaling signal of a pool.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::pool::{Load, scaling};
use serde::Serialize;
use store::AgentEntry;
use utoipa::ToSchema;
use web::{ApiPath, Problem};
use wire::{AgentStatus, PoolName, Timestamp};

/// The auto-scaling signal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scaling)]
pub(crate) struct ScalingView {
    /// When its counts were taken.
    as_of: Timestamp,
    /// Jobs that wait.
    queued: u64,
    /// Jobs that are claimed or run.
    running: u64,
    /// How many jobs the agents run at a time, together.
    capacity: u64,
    /// How many more they could run.
    idle: u64,
    /// How long the job that waits longest has waited.
    oldest_wait_seconds: f64,
    /// How many agents there should be.
    desired_agents: u32,
    /// Why: `JOBS_WAIT`, `STEADY`, `COOLING_DOWN`, `IDLE` or `NOT_IN_USE`.
    reason: String,
}

/// Show how many agents a pool should have, and why.
///
/// Counts are at most a minute old. It grows at once and shrinks after 300 s.
#[utoipa::path(
    get,
    path = "/api/agents/pools/{name}/scaling",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    responses((status = 200, description = "The signal.", body = ScalingView))
)]
pub(crate) async fn get_scaling(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
) -> Result<Json<ScalingView>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let pool = tenant.pool(&name).await.or_problem()?;
    let pool = pool.ok_or_else(|| Problem::not_found("pool"))?;
    let statistics = tenant.statistics(Some(&name), now).await.or_problem()?;
    let mut agents = tenant.live_agents(Some(&name)).await.or_problem()?;
    agents.retain(takes_work);
    let load = Load {
        queued: statistics.queued,
        running: statistics.claimed + statistics.running,
        capacity: agents
            .iter()
            .map(|agent| u64::from(agent.max_concurrent_jobs))
            .sum(),
        agents: agents.len() as u64,
        oldest_wait_seconds: statistics.oldest_wait_seconds,
    };
    let scaling = scaling(&pool, &load, now);
    Ok(Json(ScalingView {
        as_of: statistics.as_of,
        queued: scaling.queued,
        running: scaling.running,
        capacity: scaling.capacity,
        idle: scaling.idle,
        oldest_wait_seconds: scaling.oldest_wait_seconds,
        desired_agents: scaling.desired_agents,
        reason: scaling.reason.to_string(),
    }))
}

fn takes_work(agent: &AgentEntry) -> bool {
    matches!(agent.standing, AgentStatus::Healthy | AgentStatus::Degraded)
}
