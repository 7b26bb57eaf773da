//! Lists jobs, and searches them.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::JobFilter;
use utoipa::IntoParams;
use web::view::JobList;
use web::{Listing, PageParams, Problem};
use wire::{Check, Fault, JobStatus};

/// How many characters a search has at most.
const MAX_SEARCH: usize = 100;

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those in this status.
    status: Option<JobStatus>,
    /// Those with this text in their id, type, repository, ref, commit or author, in any case.
    #[param(min_length = 1, max_length = 100)]
    q: Option<String>,
}

impl Check for Filters {
    fn check(&self, faults: &mut Vec<Fault>) {
        let length = self.q.as_ref().map(|text| text.chars().count());
        if length.is_some_and(|length| !(1..=MAX_SEARCH).contains(&length)) {
            faults.push(Fault {
                pointer: "/q".to_owned(),
                detail: format!("must have 1 to {MAX_SEARCH} characters"),
            });
        }
    }
}

/// List jobs, newest first.
#[utoipa::path(
    get,
    path = "/api/dashboard/jobs",
    operation_id = "dashboard_list_jobs",
    tag = "dashboard",
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
        text: list.filters.q.clone(),
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
