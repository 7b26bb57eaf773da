//! An agent reports how an attempt ended.

use auth::{Api, KnownAgent};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use web::{ApiJson, ApiPath, Problem};
use wire::{CompleteRequest, CompleteResponse, JobId, JobStatus};

/// Report how an attempt ended.
///
/// A failure goes back in line, with a wait, until `max_attempts` are used up. The same report again answers 200. A late
/// report is accepted as long as nobody else has claimed the job.
#[utoipa::path(
    patch,
    path = "/api/queue/jobs/{id}/complete",
    tag = "queue",
    params(("id" = JobId, Path, description = "The job.")),
    request_body = CompleteRequest,
    responses((status = 200, description = "The report was taken.", body = CompleteResponse))
)]
pub(crate) async fn complete_job(
    State(api): State<Api>,
    agent: KnownAgent,
    ApiPath(id): ApiPath<JobId>,
    ApiJson(request): ApiJson<CompleteRequest>,
) -> Result<Json<CompleteResponse>, Problem> {
    let event = JobEvent::Complete {
        agent_id: agent.agent_id().clone(),
        attempt: request.attempt,
        exit_code: request.exit_code,
        duration_seconds: request.duration_seconds,
        cause: request.cause,
        logs_url: request.logs_url,
    };
    let job = api
        .change_held_job(&agent, "complete_job", &id, &event)
        .await?;
    Ok(Json(CompleteResponse {
        retried: job.status() == JobStatus::Queued,
        job: web::view::job(&job, None),
    }))
}
