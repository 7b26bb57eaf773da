//! Shows one job with its history.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::view::Attempt;
use web::{ApiPath, Problem};
use wire::{Job, JobId};

/// A job and how its attempts went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobWithAttempts {
    /// The job.
    job: Job,
    /// Its attempts that have ended, oldest first; the last 20 of them.
    attempts: Vec<Attempt>,
}

/// Show a job with the history of its attempts.
#[utoipa::path(
    get,
    path = "/api/dashboard/jobs/{id}",
    operation_id = "dashboard_show_job",
    tag = "dashboard",
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = JobWithAttempts))
)]
pub(crate) async fn show_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobWithAttempts>, Problem> {
    web::note_job(&id);
    let job = api
        .store
        .tenant(&caller.scope)
        .job(&id)
        .await
        .or_problem()?
        .ok_or_else(|| Problem::not_found("job"))?;
    Ok(Json(JobWithAttempts {
        attempts: web::view::attempts(&job),
        job: web::view::job(&job, None),
    }))
}
