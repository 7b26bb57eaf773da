//! Lists jobs.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::JobFilter;
use utoipa::IntoParams;
use web::view::JobList;
use web::{Listing, PageParams, Problem};
use wire::{AgentId, Check, JobStatus, PoolName};

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those in this status.
    status: Option<JobStatus>,
    /// Those of this pool.
    pool_name: Option<PoolName>,
    /// Those that this agent holds; with a `status` of ended jobs, those whose last attempt was this agent's.
    agent_id: Option<AgentId>,
}

impl Check for Filters {}

/// List jobs, newest first.
///
/// Ended jobs of one status come in the order of their end, claimed and running ones by agent, all others in the order in
/// which they were enqueued.
#[utoipa::path(
    get,
    path = "/api/queue/jobs",
    tag = "queue",
    params(Filters, PageParams),
    responses((status = 200, description = "A page of jobs.", body = JobList))
)]
pub(crate) async fn list_jobs(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<Filters>,
) -> Result<Json<JobList>, Problem> {
    let after = list.position(caller.tenant())?;
    let filter = JobFilter {
        status: list.filters.status,
        pool: list.filters.pool_name.clone(),
        agent: list.filters.agent_id.clone(),
        ..JobFilter::default()
    };
    let page = api
        .store
        .tenant(&caller.scope)
        .jobs(&filter, list.limit as usize, after.as_ref())
        .await
        .or_problem()?;
    let next_cursor = list.next_cursor(caller.tenant(), page.next.as_ref());
    Ok(Json(JobList::new(&page.jobs, next_cursor)))
}
