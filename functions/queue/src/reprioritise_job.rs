//! Changes how urgent a queued job is.

use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::job::JobEvent;
use serde::Deserialize;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{Check, JobId, JobResponse, Priority};

/// How urgent a job is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriorityRequest {
    /// The priority.
    priority: Priority,
}

impl Check for PriorityRequest {}

/// Change the priority of a queued job.
///
/// It keeps its place in time among the jobs of its new priority.
#[utoipa::path(
    patch,
    path = "/api/queue/jobs/{id}/priority",
    tag = "queue",
    params(("id" = JobId, Path, description = "The job.")),
    request_body = PriorityRequest,
    responses((status = 200, description = "It has that priority.", body = JobResponse))
)]
pub(crate) async fn reprioritise_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
    ApiJson(request): ApiJson<PriorityRequest>,
) -> Result<Json<JobResponse>, Problem> {
    let event = JobEvent::Reprioritise {
        priority: request.priority,
    };
    let job = api
        .change_job_by_hand(
            &caller,
            (Action::JobReprioritise, "reprioritise_job"),
            &id,
            &event,
        )
        .await?;
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}
