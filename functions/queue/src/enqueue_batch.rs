//! Puts up to a hundred jobs in line, each for itself.

use auth::{Api, Caller, NewId};
use axum::Json;
use axum::extract::State;
use futures_util::StreamExt;
use futures_util::stream;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use web::{ApiJson, IdempotencyKey, Problem, ProblemCode, parse_json};
use wire::{Check, EnqueueRequest, Fault, Job, ProblemDetails, Timestamp};

/// How many jobs a batch has at most.
const MAX_JOBS: usize = 100;

/// How many of them are written at a time.
const AT_A_TIME: usize = 8;

/// Jobs to be put in line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRequest {
    /// The jobs, in the order in which they are to be claimed. One that is not valid does not keep the others out.
    #[schema(value_type = Vec<EnqueueRequest>, min_items = 1, max_items = 100)]
    jobs: Vec<Box<RawValue>>,
}

impl Check for BatchRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if !(1..=MAX_JOBS).contains(&self.jobs.len()) {
            faults.push(Fault {
                pointer: "/jobs".to_owned(),
                detail: format!("must have 1 to {MAX_JOBS} jobs, not {}", self.jobs.len()),
            });
        }
    }
}

/// What became of the jobs of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResponse {
    /// For each job of the request, in the same order, the job or its problem.
    results: Vec<BatchResult>,
}

/// What became of one job of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResult {
    /// The status that the job alone would have been answered with.
    status: u16,
    /// The job, if it waits.
    job: Option<Job>,
    /// Why it does not, otherwise.
    problem: Option<ProblemDetails>,
}

/// Put up to 100 jobs in line.
///
/// Each job stands for itself: the answer has, for each, the job or its problem. They are claimed in the order given, as
/// far as their priorities are equal. With an `Idempotency-Key`, the same batch again answers with the same jobs.
#[utoipa::path(
    post,
    path = "/api/queue/jobs/batch",
    tag = "queue",
    request_body = BatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. It stands for each job by its place in the batch.")),
    responses(
        (status = 201, description = "At least one job is new.", body = BatchResponse),
        (status = 200, description = "No job is new.", body = BatchResponse),
    )
)]
pub(crate) async fn enqueue_batch(
    State(api): State<Api>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    ApiJson(request): ApiJson<BatchRequest>,
) -> Result<(StatusCode, Json<BatchResponse>), Problem> {
    let now = api.now();
    let count = u16::try_from(request.jobs.len()).unwrap_or(u16::MAX);
    let ids = NewId::batch(&api, &caller, key.as_ref(), now, count);
    let jobs = request.jobs.into_iter().zip(ids).enumerate();
    let results: Vec<_> = stream::iter(jobs)
        .map(|(place, (job, id))| enqueue_one(&api, &caller, (place, job), id, now))
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let any_new = results
        .iter()
        .any(|result| result.status == StatusCode::CREATED.as_u16());
    let status = if any_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(BatchResponse { results })))
}

async fn enqueue_one(
    api: &Api,
    caller: &Caller,
    (place, job): (usize, Box<RawValue>),
    id: NewId,
    now: Timestamp,
) -> BatchResult {
    let enqueued = match parse_json::<EnqueueRequest>(job.get().as_bytes()) {
        Ok(request) => api.enqueue_job(caller, id, request, now).await,
        Err(problem) => Err(in_place(problem, place)),
    };
    match enqueued {
        Ok((status, job)) => BatchResult {
            status: status.as_u16(),
            job: Some(web::view::job(&job, None)),
            problem: None,
        },
        Err(problem) => BatchResult {
            status: problem.status().as_u16(),
            job: None,
            problem: Some(problem.details()),
        },
    }
}

/// The problem with its pointers from the root of the batch.
fn in_place(problem: Problem, place: usize) -> Problem {
    match problem.code() {
        ProblemCode::InvalidRequest => Problem::invalid(
            problem
                .errors()
                .iter()
                .map(|fault| Fault {
                    pointer: format!("/jobs/{place}{}", fault.pointer),
                    detail: fault.detail.clone(),
                })
                .collect(),
        ),
        _ => problem,
    }
}
