//! A person closes a job by hand.

use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use serde::Deserialize;
use utoipa::ToSchema;
use web::{ApiJsonOrEmpty, ApiPath, Problem};
use wire::{Check, Fault, JobId, JobResponse, JobStatus};

/// How a job is to be closed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseRequest {
    /// `COMPLETED` (the default) or `FAILED`.
    #[serde(default = "completed")]
    #[schema(default = "COMPLETED")]
    status: JobStatus,
}

const fn completed() -> JobStatus {
    JobStatus::Completed
}

impl Check for CloseRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if !matches!(self.status, JobStatus::Completed | JobStatus::Failed) {
            faults.push(Fault {
                pointer: "/status".to_owned(),
                detail: "must be COMPLETED or FAILED".to_owned(),
            });
        }
    }
}

/// Close a job by hand.
///
/// Whoever holds it is told to drop it, and what its agent reports then is refused.
#[utoipa::path(
    patch,
    path = "/api/dashboard/jobs/{id}/complete",
    operation_id = "dashboard_close_job",
    tag = "dashboard",
    params(("id" = JobId, Path, description = "The job.")),
    request_body = Option<CloseRequest>,
    responses((status = 200, description = "It is closed.", body = JobResponse))
)]
pub(crate) async fn close_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
    ApiJsonOrEmpty(request): ApiJsonOrEmpty<CloseRequest>,
) -> Result<Json<JobResponse>, Problem> {
    let event = JobEvent::CloseByHand {
        succeeded: request.status == JobStatus::Completed,
    };
    let job = api
        .change_job_by_hand(&caller, (Action::JobClose, "close_job"), &id, &event)
        .await?;
    tracing::info!(by = caller.created_by(), status = %job.status(), "a job was closed by hand");
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}
