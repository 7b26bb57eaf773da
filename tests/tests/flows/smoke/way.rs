//! A way to a control plane on which things happen.

use crate::harness::{Api, Plane, Scripted};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use wire::AgentId;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wayward {
    /// Everything is answered with 503.
    Busy,
    /// The first call of each kind is answered with 503 and goes no further.
    BusyOnce,
    /// The first call of each kind has its effect, and its answer is lost.
    LosesAnswersOnce,
    /// As soon as a job is enqueued, another agent of its pool takes it.
    ThiefOfJobs,
    /// Calls with a credential are answered with that credential.
    Echoes,
    /// A web page is at every address.
    Website,
    /// Every call is sent elsewhere.
    Elsewhere,
}

/// A running server in front of a control plane.
#[derive(Debug)]
pub(super) struct Way {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wayward: Wayward,
    plane: Api,
    plane_url: String,
    client: reqwest::Client,
    seen: Mutex<BTreeSet<String>>,
    passed: Mutex<u32>,
    thief: Mutex<Option<AgentId>>,
}

impl Way {
    pub(super) async fn to(plane: &Plane, wayward: Wayward) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            wayward,
            plane: plane.api(),
            plane_url: plane.url(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            seen: Mutex::default(),
            passed: Mutex::default(),
            thief: Mutex::default(),
        });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many calls got through.
    pub(super) fn passed(&self) -> u32 {
        *self.shared.passed.lock().unwrap()
    }

    pub(super) fn thief(&self) -> Option<AgentId> {
        self.shared.thief.lock().unwrap().clone()
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_first = shared
        .seen
        .lock()
        .unwrap()
        .insert(format!("{method} {}", kind(uri.path())));
    let credential = headers.get(header::AUTHORIZATION);
    match (shared.wayward, credential) {
        (Wayward::Busy, _) => return busy(),
        (Wayward::BusyOnce, _) if is_first => return busy(),
        (Wayward::Website, _) => return "<!doctype html><h1>Welcome</h1>".into_response(),
        (Wayward::Elsewhere, _) => {
            return (
                StatusCode::FOUND,
                [(header::LOCATION, "https://example.com/")],
            )
                .into_response();
        }
        (Wayward::Echoes, Some(credential)) => {
            let problem = json!({
                "type": "/problems/invalid_request", "title": "Invalid", "status": 400, "code": "invalid_request",
                "detail": format!("you sent {}", credential.to_str().unwrap()), "instance": "1",
            });
            return (StatusCode::BAD_REQUEST, axum::Json(problem)).into_response();
        }
        (_, _) => {}
    }
    let (status, answer) = forward(&shared, (&method, &uri), headers, body).await;
    if shared.wayward == Wayward::LosesAnswersOnce && is_first {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    if shared.wayward == Wayward::ThiefOfJobs
        && uri.path() == "/api/queue/jobs"
        && status == StatusCode::CREATED
    {
        let thief = steal(&shared, &answer).await;
        *shared.thief.lock().unwrap() = Some(thief);
    }
    (status, answer).into_response()
}

/// A path without ids, which are upper case: whatever is called of its kind again is a repetition.
fn kind(path: &str) -> String {
    path.split('/')
        .filter(|part| !part.contains(|c: char| c.is_ascii_uppercase()))
        .collect::<Vec<_>>()
        .join("/")
}

fn busy() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, "0")],
    )
        .into_response()
}

async fn forward(
    shared: &Shared,
    (method, uri): (&Method, &Uri),
    mut headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let url = format!("{}{uri}", shared.plane_url);
    let request = shared
        .client
        .request(method.clone(), url)
        .headers(headers)
        .body(body);
    let response = request.send().await.unwrap();
    *shared.passed.lock().unwrap() += 1;
    (response.status(), response.bytes().await.unwrap().to_vec())
}

/// Registers an agent of the job's pool and claims the job.
async fn steal(shared: &Shared, answer: &[u8]) -> AgentId {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let pool = answer["job"]["pool_name"].as_str().unwrap();
    let body = json!({ "name": "thief", "pool_name": pool });
    let made = shared
        .plane
        .post("/api/agents/enrolment-tokens", &body)
        .await
        .expect(201);
    let key = shared
        .plane
        .with_token(made["enrolment_token"].as_str().unwrap());
    let thief = Scripted::register_with(&key, pool).await;
    assert_eq!(
        thief.claim_one().await.job_id.as_str(),
        answer["job"]["job_id"]
    );
    thief.id
}
