//! Lambda's runtime API, as a function finds it: it asks for an event, and says what came of it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// What Lambda takes for an answer at most.
const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// What one process of a function speaks with. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: String,
    shared: Arc<Shared>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    server: JoinHandle<()>,
}

/// What came of an event.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the function answered, or else the failure that it reported.
    pub(crate) result: Result<Value, Value>,
    /// When the event was handed over.
    pub(crate) given_at: Instant,
    /// When its outcome was there.
    pub(crate) at: Instant,
}

#[derive(Debug)]
struct Shared {
    outcomes: mpsc::UnboundedSender<Outcome>,
    slot: Mutex<Slot>,
    given: Notify,
    asked: Notify,
}

/// The event that comes next, and when the last one was handed over.
#[derive(Debug, Default)]
struct Slot {
    next: Option<(String, Duration)>,
    given_at: Option<Instant>,
}

impl RuntimeApi {
    /// Listens on a free port of this machine.
    pub(crate) async fn start() -> Self {
        let (sender, outcomes) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            outcomes: sender,
            slot: Mutex::default(),
            given: Notify::new(),
            asked: Notify::new(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{how}", post(told))
            .layer(DefaultBodyLimit::max(MAX_ANSWER_BYTES))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // A delayed packet would be taken for time that the function needs.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            outcomes,
            server,
        }
    }

    /// What `AWS_LAMBDA_RUNTIME_API` is to be.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Has the function given this event as soon as it asks for one, with that much time for it.
    pub(crate) fn give(&self, event: String, time: Duration) {
        self.shared.slot.lock().unwrap().next = Some((event, time));
        self.shared.given.notify_one();
    }

    /// Waits until the function asks for an event. Once it has started, it does.
    pub(crate) async fn asked(&self) {
        self.shared.asked.notified().await;
    }

    /// Waits for what comes of the event.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        self.outcomes.recv().await.unwrap()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.asked.notify_one();
    loop {
        let event = {
            let mut slot = shared.slot.lock().unwrap();
            let event = slot.next.take();
            if event.is_some() {
                slot.given_at = Some(Instant::now());
            }
            event
        };
        if let Some((event, time)) = event {
            let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
            let headers = [
                ("content-type", "application/json"),
                (
                    "lambda-runtime-aws-request-id",
                    "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                ),
                ("lambda-runtime-deadline-ms", &until.as_millis().to_string()),
                (
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:test",
                ),
            ];
            return (headers, event).into_response();
        }
        shared.given.notified().await;
    }
}

async fn told(
    State(shared): State<Arc<Shared>>,
    Path((_, how)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let given_at = shared.slot.lock().unwrap().given_at.unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    let result = match how.as_str() {
        "response" => Ok(body),
        "error" => Err(body),
        other => panic!("the runtime API has no {other}"),
    };
    // Nobody waits for it when the test is over.
    let _ = shared.outcomes.send(Outcome {
        result,
        given_at,
        at,
    });
    StatusCode::ACCEPTED
}
