//! An agent starts a job that it claimed.

use auth::{Api, KnownAgent};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use web::{ApiJson, ApiPath, Problem};
use wire::{JobId, JobResponse, StartRequest};

/// Start a job.
///
/// The agent that claimed it has 30 s for that. The same start again answers 200.
#[utoipa::path(
    patch,
    path = "/api/queue/jobs/{id}/start",
    tag = "queue",
    params(("id" = JobId, Path, description = "The job.")),
    request_body = StartRequest,
    responses((status = 200, description = "It runs.", body = JobResponse))
)]
pub(crate) async fn start_job(
    State(api): State<Api>,
    agent: KnownAgent,
    ApiPath(id): ApiPath<JobId>,
    ApiJson(request): ApiJson<StartRequest>,
) -> Result<Json<JobResponse>, Problem> {
    let event = JobEvent::Start {
        agent_id: agent.agent_id().clone(),
        attempt: request.attempt,
    };
    let job = api
        .change_held_job(&agent, "start_job", &id, &event)
        .await?;
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}
