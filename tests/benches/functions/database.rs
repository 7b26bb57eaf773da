//! The embedded DynamoDB as functions reach it: over HTTP, on this machine.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use embedded_dynamodb::Engine;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::TcpListener;

/// A database with an address. It lives as long as the process.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) engine: Engine,
    url: String,
    first_answer: Arc<Mutex<Option<Instant>>>,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database = Self {
            engine: Engine::memory().unwrap(),
            url: format!("http://{}", listener.local_addr().unwrap()),
            first_answer: Arc::default(),
        };
        // Without it an answer of two packets waits for an acknowledgement, 40 ms.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let router = Router::new().fallback(call).with_state(database.clone());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        database
    }

    /// What `AWS_ENDPOINT_URL_DYNAMODB` is to be.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// When the first call since the last question was answered, if there was one.
    pub(crate) fn first_answer(&self) -> Option<Instant> {
        self.first_answer.lock().unwrap().take()
    }
}

async fn call(State(database): State<Database>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("DynamoDB_20120810.").unwrap();
    let (status, answer) = database.engine.answer(operation, &body).await;
    let mut first = database.first_answer.lock().unwrap();
    first.get_or_insert_with(Instant::now);
    let status = StatusCode::from_u16(status).unwrap();
    let json = [("content-type", "application/x-amz-json-1.0")];
    (status, json, answer).into_response()
}
