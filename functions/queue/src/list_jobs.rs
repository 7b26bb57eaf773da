//! Lists jobs.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::JobFilter;
use utoipa::{IntoParams, ToSchema};
use web::{Listing, PageParams, Problem};
use wire::{AgentId, Check, Job, JobStatus, PoolName};

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

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    /// The jobs. A page may have fewer than `limit`, even none, and still not be the last.
    jobs: Vec<Job>,
    /// The cursor to the next page; null after the last.
    next_cursor: Option<String>,
}

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
    Ok(Json(JobList {
        jobs: page
            .jobs
            .iter()
            .map(|job| web::view::job(job, None))
            .collect(),
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
    }))
}
