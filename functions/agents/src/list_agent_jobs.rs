//! The jobs of one agent.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::JobFilter;
use utoipa::IntoParams;
use web::view::JobList;
use web::{ApiPath, Listing, PageParams, Problem};
use wire::{AgentId, Check, JobStatus};

/// Which jobs of an agent to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobFilters {
    /// Those in this status. Without it: those that the agent holds.
    status: Option<JobStatus>,
}

impl Check for JobFilters {}

/// List the jobs of an agent: those that it holds, or, with `status`, those whose last attempt was its.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/jobs",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent."), JobFilters, PageParams),
    responses((status = 200, description = "A page of jobs.", body = JobList))
)]
pub(crate) async fn list_agent_jobs(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<AgentId>,
    list: Listing<JobFilters>,
) -> Result<Json<JobList>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    if tenant.agent(&id).await.or_problem()?.is_none() {
        return Err(Problem::not_found("agent"));
    }
    let filter = JobFilter {
        status: list.filters.status,
        agent: Some(id),
        ..JobFilter::default()
    };
    let after = list.position(caller.tenant())?;
    let page = tenant
        .jobs(&filter, list.limit as usize, after.as_ref())
        .await
        .or_problem()?;
    let next_cursor = list.next_cursor(caller.tenant(), page.next.as_ref());
    Ok(Json(JobList::new(&page.jobs, next_cursor)))
}
