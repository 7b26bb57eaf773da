//! The embedded DynamoDB with an address, for functions that run in processes of their own.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use embedded_dynamodb::Engine;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// What stands before the name of the operation in the header that names it.
const VERSION: &str = "DynamoDB_20120810.";

/// Serves the database until the test is over, and gives its address.
pub(crate) async fn served(engine: Engine) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(call).with_state(engine);
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

async fn call(State(engine): State<Engine>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix(VERSION).unwrap();
    let (status, answer) = engine.answer(operation, &body).await;
    let json = [("content-type", "application/x-amz-json-1.0")];
    (StatusCode::from_u16(status).unwrap(), json, answer).into_response()
}
