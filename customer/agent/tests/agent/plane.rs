//! A control plane of the tests' own: it answers as it is told to, and remembers what it was asked.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::{
    AgentId, AgentStatus, ClaimResponse, CompleteRequest, CompleteResponse, Directive,
    HeartbeatRequest, HeartbeatResponse, HeldJob, Job, JobId, JobResponse, JobStatus,
    RegisterResponse, StartRequest, Timestamp,
};

pub(crate) const KEY: &str = "hcp_test_a_the-key";

/// What the control plane knows, and how it is to behave.
pub(crate) struct Plane {
    pub(crate) lease_seconds: u32,
    pub(crate) heartbeat_seconds: u32,
    pub(crate) waiting: VecDeque<Job>,
    /// Every call is answered with this status while it is set.
    pub(crate) broken: Option<u16>,
    /// Completions are answered with this status while it is set.
    pub(crate) refuse_complete: Option<u16>,
    pub(crate) refuse_start: Option<u16>,
    pub(crate) refuse_heartbeat: Option<u16>,
    pub(crate) refuse_register: Option<u16>,
    pub(crate) refuse_claim: Option<u16>,
    pub(crate) cancel_requested: bool,
    pub(crate) cancel: Vec<JobId>,
    pub(crate) drop: Vec<HeldJob>,
    pub(crate) directive: Directive,
    pub(crate) registered: Vec<(AgentId, String)>,
    pub(crate) deregistered: Vec<AgentId>,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    pub(crate) claims: usize,
    pub(crate) started: Vec<(JobId, u32)>,
    /// Completions that reached it, with their tokens, whatever the answer was.
    pub(crate) completions: Vec<(JobId, CompleteRequest, String)>,
    /// The traces of calls about jobs.
    pub(crate) traces: Vec<(JobId, String)>,
    jobs: Vec<Job>,
}

pub(crate) type Shared = Arc<Mutex<Plane>>;

pub(crate) fn plane() -> Shared {
    Arc::new(Mutex::new(Plane {
        lease_seconds: 30,
        heartbeat_seconds: 1,
        waiting: VecDeque::new(),
        broken: None,
        refuse_complete: None,
        refuse_start: None,
        refuse_heartbeat: None,
        refuse_register: None,
        refuse_claim: None,
        cancel_requested: false,
        cancel: Vec::new(),
        drop: Vec::new(),
        directive: Directive::Run,
        registered: Vec::new(),
        deregistered: Vec::new(),
        heartbeats: Vec::new(),
        claims: 0,
        started: Vec::new(),
        completions: Vec::new(),
        traces: Vec::new(),
        jobs: Vec::new(),
    }))
}

pub(crate) fn at(plane: &Shared) -> MutexGuard<'_, Plane> {
    plane.lock().unwrap()
}

/// Serves until the returned handle is aborted.
pub(crate) async fn serve(
    plane: Shared,
    address: SocketAddr,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let router = Router::new()
        .route("/api/agents/register", post(register))
        .route("/api/agents/{id}/heartbeat", post(heartbeat))
        .route("/api/agents/{id}/deregister", post(deregister))
        .route("/api/agents/{id}/config", get(config))
        .route("/api/queue/claim", post(claim))
        .route("/api/queue/jobs/{id}/start", patch(start))
        .route("/api/queue/jobs/{id}/complete", patch(complete))
        .layer(from_fn_with_state(plane.clone(), broken))
        .with_state(plane);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, server)
}

async fn broken(State(plane): State<Shared>, request: Request, next: Next) -> Response {
    let status = at(&plane).broken;
    match status {
        Some(status) => refusal(status),
        None => next.run(request).await,
    }
}

fn refusal(status: u16) -> Response {
    let problem = json!({
        "type": "about:blank", "title": "no", "status": status, "detail": "as the test says", "instance": "x",
        "code": "test",
    });
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(problem)).into_response();
    if status == 429 {
        response.headers_mut().insert("retry-after", 1.into());
    }
    response
}

fn token(headers: &HeaderMap) -> String {
    let bearer = headers["authorization"].to_str().unwrap();
    bearer.strip_prefix("Bearer ").unwrap().to_owned()
}

/// What a `traceparent` says of the trace.
fn trace_id(headers: &HeaderMap) -> String {
    let traceparent = headers["traceparent"].to_str().unwrap();
    let [version, trace_id, span_id, flags] = traceparent
        .split('-')
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!((version, span_id.len(), flags), ("00", 16, "01"));
    trace_id.to_owned()
}

fn is_session(plane: &Plane, headers: &HeaderMap) -> bool {
    let token = token(headers);
    plane.registered.iter().any(|(_, known)| *known == token)
}

async fn register(
    State(plane): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut plane = at(&plane);
    if let Some(status) = plane.refuse_register {
        return refusal(status);
    }
    if token(&headers) != KEY {
        return refusal(401);
    }
    let request: wire::RegisterRequest = serde_json::from_value(body).unwrap();
    let number = u8::try_from(plane.registered.len()).unwrap();
    let agent_id = AgentId::new(Timestamp::from_millis(1_700_000_000_000), [number; 10]);
    let session_token = format!("hcp_test_s_session-{number}");
    plane
        .registered
        .push((agent_id.clone(), session_token.clone()));
    Json(RegisterResponse {
        agent_id,
        pool_name: request.pool_name,
        status: AgentStatus::Healthy,
        session_token,
        session_expires_at: Timestamp::from_millis(4_000_000_000_000),
        heartbeat_interval_seconds: plane.heartbeat_seconds,
        lease_seconds: plane.lease_seconds,
    })
    .into_response()
}

async fn heartbeat(
    State(plane): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<HeartbeatRequest>,
) -> Response {
    let mut plane = at(&plane);
    if let Some(status) = plane.refuse_heartbeat {
        return refusal(status);
    }
    if !is_session(&plane, &headers) {
        return refusal(401);
    }
    let mut faults = Vec::new();
    wire::Check::check(&request, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    plane.heartbeats.push(request);
    Json(HeartbeatResponse {
        agent_id: AgentId::parse(&id).unwrap(),
        status: AgentStatus::Healthy,
        next_heartbeat_seconds: plane.heartbeat_seconds,
        cancel: plane.cancel.clone(),
        dropped: plane.drop.clone(),
        directive: plane.directive,
        session_expires_at: Timestamp::from_millis(4_000_000_000_000),
    })
    .into_response()
}

async fn deregister(State(plane): State<Shared>, Path(id): Path<String>) -> Response {
    at(&plane).deregistered.push(AgentId::parse(&id).unwrap());
    Json(json!({})).into_response()
}

async fn config() -> Response {
    refusal(404)
}

async fn claim(State(plane): State<Shared>, headers: HeaderMap) -> Response {
    let mut plane = at(&plane);
    if let Some(status) = plane.refuse_claim {
        return refusal(status);
    }
    if !is_session(&plane, &headers) {
        return refusal(401);
    }
    plane.claims += 1;
    let job = plane.waiting.pop_front();
    plane.jobs.extend(job.clone());
    let retry_after_seconds = if job.is_some() { 0.0 } else { 0.05 };
    Json(ClaimResponse {
        jobs: job.clone().into_iter().collect(),
        job,
        retry_after_seconds,
    })
    .into_response()
}

async fn start(
    State(plane): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<StartRequest>,
) -> Response {
    let mut plane = at(&plane);
    if let Some(status) = plane.refuse_start {
        return refusal(status);
    }
    let job_id = JobId::parse(&id).unwrap();
    plane.traces.push((job_id.clone(), trace_id(&headers)));
    plane.started.push((job_id.clone(), request.attempt));
    let Some(job) = plane.jobs.iter().find(|job| job.job_id == job_id) else {
        return refusal(404);
    };
    let mut job = job.clone();
    job.status = JobStatus::Running;
    job.cancel_requested = plane.cancel_requested;
    Json(JobResponse { job }).into_response()
}

async fn complete(
    State(plane): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<CompleteRequest>,
) -> Response {
    let mut plane = at(&plane);
    let mut faults = Vec::new();
    wire::Check::check(&request, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    let job_id = JobId::parse(&id).unwrap();
    plane.traces.push((job_id.clone(), trace_id(&headers)));
    plane
        .completions
        .push((job_id.clone(), request, token(&headers)));
    if let Some(status) = plane.refuse_complete {
        return refusal(status);
    }
    let Some(job) = plane.jobs.iter().find(|job| job.job_id == job_id) else {
        return refusal(404);
    };
    let mut job = job.clone();
    job.status = JobStatus::Completed;
    Json(CompleteResponse {
        job,
        retried: false,
    })
    .into_response()
}
