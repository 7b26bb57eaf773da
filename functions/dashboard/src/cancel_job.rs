//! Cancels a job.

use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use web::{ApiPath, Problem};
use wire::{JobId, JobResponse};

/// Cancel a job: at once if it is queued, otherwise as soon as its agent has stopped it.
#[utoipa::path(
    post,
    path = "/api/dashboard/jobs/{id}/cancel",
    operation_id = "dashboard_cancel_job",
    tag = "dashboard",
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "It is cancelled, or its agent is asked to stop it.", body = JobResponse))
)]
pub(crate) async fn cancel_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    let job = api
        .change_job_by_hand(
            &caller,
            (Action::JobCancel, "cancel_job"),
            &id,
            &JobEvent::Cancel,
        )
        .await?;
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}
