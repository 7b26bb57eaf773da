//! Cancels a job.

use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use web::{ApiPath, Problem};
use wire::{JobId, JobResponse};

/// Cancel a job.
///
/// A queued job is cancelled at once. The agent of a claimed or running one is asked to stop it, and the job is cancelled
/// when the agent reports or is lost; `cancel_requested` says so until then.
#[utoipa::path(
    delete,
    path = "/api/queue/jobs/{id}",
    tag = "queue",
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
