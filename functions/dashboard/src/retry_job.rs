//! Runs an ended job again.

use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use web::{ApiPath, Problem};
use wire::{JobId, JobResponse};

/// Run a failed, dead-lettered or cancelled job again.
#[utoipa::path(
    post,
    path = "/api/dashboard/jobs/{id}/retry",
    operation_id = "dashboard_retry_job",
    tag = "dashboard",
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "It waits.", body = JobResponse))
)]
pub(crate) async fn retry_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    let job = api
        .change_job_by_hand(
            &caller,
            (Action::JobRetry, "retry_job"),
            &id,
            &JobEvent::Retry,
        )
        .await?;
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}
