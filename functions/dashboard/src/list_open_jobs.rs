//! Lists what has not ended.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::JobFilter;
use web::view::JobList;
use web::{Listing, PageParams, Problem};
use wire::Check;

/// Nothing: the list is what it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// List the jobs that have not ended, newest first.
///
/// Looks at the newest jobs first, so that one that has been waiting for long is on a late page.
#[utoipa::path(
    get,
    path = "/api/dashboard/jobs/running",
    operation_id = "dashboard_list_open_jobs",
    tag = "dashboard",
    params(PageParams),
    responses((status = 200, description = "A page of jobs.", body = JobList))
)]
pub(crate) async fn list_open_jobs(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<JobList>, Problem> {
    let after = list.position(caller.tenant())?;
    let filter = JobFilter {
        open: true,
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
