//! A process that ends at the worst of times while a key is changed, against a control plane that takes each key once.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use wire::Timestamp;

/// The public keys that it knows, newest last.
type Keys = Arc<Mutex<Vec<String>>>;

async fn given(State(keys): State<Keys>, Json(body): Json<Value>) -> Response {
    let key = body["public_key"].as_str().unwrap().to_owned();
    let mut keys = keys.lock().unwrap();
    if keys.contains(&key) {
        return StatusCode::CONFLICT.into_response();
    }
    keys.push(key);
    let answer = json!({
        "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE", "key_id": format!("key{:09}", keys.len()),
        "expires_at": "2027-01-01T00:00:00.000Z", "heartbeat_interval_seconds": 60,
    });
    Json(answer).into_response()
}

fn present(file: &Path) -> String {
    Identity::parse(&read(file).unwrap()).unwrap().public_key()
}

#[tokio::test]
async fn a_key_that_was_left_beside_the_identity_it_became_is_not_brought_again() {
    let keys = Keys::default();
    let routes = Router::new().fallback(given).with_state(keys.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let plane = Plane::new(&url, false).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let beside = directory.path().join("identity.json.key");
    let stamp = Stamp {
        at: Timestamp::from_millis(1_767_225_600_000),
        nonce: [1; 16],
    };
    enrol(&plane, &"token".into(), &file).await.unwrap();
    assert!(!beside.exists());

    // The key is of the identity already, and still there.
    Pending::open(&file).unwrap();
    let key = std::fs::read(&beside).unwrap();
    let mode = std::fs::metadata(&beside).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    rotate_key(&plane, &file, &stamp).await.unwrap();
    std::fs::write(&beside, key).unwrap();
    rotate_key(&plane, &file, &stamp).await.unwrap();
    assert!(!beside.exists());
    assert_eq!(keys.lock().unwrap().len(), 3);
    assert_eq!(keys.lock().unwrap().last(), Some(&present(&file)));

    // A key of its own that is waiting there is brought as it is.
    let waiting = Pending::open(&file).unwrap().public_key();
    rotate_key(&plane, &file, &stamp).await.unwrap();
    assert_eq!(present(&file), waiting);
}
