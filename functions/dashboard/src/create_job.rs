//! Puts a job in line.

use auth::{Api, Caller, NewId};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use web::{ApiJson, IdempotencyKey, Problem};
use wire::{CreateJobRequest, JobResponse};

/// Put a job in line.
///
/// The same as `POST /api/queue/jobs`, and the pool need not be named.
#[utoipa::path(
    post,
    path = "/api/dashboard/jobs",
    operation_id = "dashboard_create_job",
    tag = "dashboard",
    request_body = CreateJobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses(
        (status = 201, description = "It waits.", body = JobResponse),
        (status = 200, description = "The same request with the same key had put it in line before.", body = JobResponse),
    )
)]
pub(crate) async fn create_job(
    State(api): State<Api>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    ApiJson(request): ApiJson<CreateJobRequest>,
) -> Result<(StatusCode, Json<JobResponse>), Problem> {
    let now = api.now();
    let id = NewId::one(&api, &caller, key.as_ref(), now);
    let (status, job) = api.enqueue_job(&caller, id, request.into(), now).await?;
    let job = web::view::job(&job, None);
    Ok((status, Json(JobResponse { job })))
}
