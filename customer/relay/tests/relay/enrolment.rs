//! Enrolling, changing the key and heartbeats, against a control plane that checks what it is sent.

use crate::world::{World, headers};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use hybrid_relay::{CallError, EnrolError, Plane, Stamp, beat, enrol, rotate_key};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use wire::{SignedParts, Timestamp};

/// What the control plane knows: its public keys, newest last, and what it was told.
#[derive(Default)]
struct Known {
    keys: Vec<String>,
    heartbeats: Vec<Value>,
    /// How many answers to lose.
    lost: u32,
}

type Shared = Arc<Mutex<Known>>;

async fn control_plane() -> (Plane, Shared) {
    let known = Shared::default();
    let routes = Router::new()
        .route("/api/relays/enrol", post(enrolled))
        .route("/api/relays/heartbeat", post(heard_of))
        .route("/api/relays/{id}/rotate-key", post(rotated))
        .with_state(known.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (Plane::new(&url, false).unwrap(), known)
}

fn given(known: &mut Known, body: &Value) -> Response {
    let key = body["public_key"].as_str().unwrap().to_owned();
    if !known.keys.contains(&key) {
        known.keys.push(key);
    }
    if known.lost > 0 {
        known.lost -= 1;
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let key_id = format!("key{:09}", known.keys.len());
    Json(json!({
        "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
        "key_id": key_id,
        "expires_at": "2027-01-01T00:00:00.000Z",
        "heartbeat_interval_seconds": 60,
    }))
    .into_response()
}

async fn enrolled(
    State(known): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if headers["authorization"] != "Bearer hcp_test_n_token" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    given(&mut known.lock().unwrap(), &body)
}

async fn rotated(
    State(known): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut known = known.lock().unwrap();
    let old = known.keys[0].clone();
    assert!(is_signed(&old, &uri, &headers, &body));
    given(&mut known, &serde_json::from_str(&body).unwrap())
}

async fn heard_of(
    State(known): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut known = known.lock().unwrap();
    let Some(key) = known.keys.last().cloned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if !is_signed(&key, &uri, &headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    known.heartbeats.push(serde_json::from_str(&body).unwrap());
    Json(json!({
        "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
        "health": "HEALTHY",
        "next_heartbeat_seconds": 60,
        "key_expires_at": "2027-01-01T00:00:00.000Z",
    }))
    .into_response()
}

/// Verifies a signed request as the control plane does.
fn is_signed(key: &str, uri: &Uri, headers: &HeaderMap, body: &str) -> bool {
    let header = |name: &str| headers[name].to_str().unwrap();
    let parts = SignedParts {
        timestamp: header("x-hcp-timestamp"),
        nonce: header("x-hcp-nonce"),
        method: "POST",
        host: header("host"),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        body_sha256: &HEXLOWER.encode(&Sha256::digest(body)),
    };
    assert!((16..=64).contains(&parts.nonce.len()));
    let key: [u8; 32] = BASE64.decode(key.as_bytes()).unwrap().try_into().unwrap();
    let signature = BASE64.decode(header("x-hcp-signature").as_bytes()).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    let key = VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(parts.string_to_sign().as_bytes(), &signature)
        .is_ok()
}

fn stamp() -> Stamp {
    Stamp {
        at: Timestamp::from_millis(1_767_225_600_000),
        nonce: [1; 16],
    }
}

#[tokio::test]
async fn a_relay_enrols_heartbeats_and_changes_its_key() {
    let (plane, known) = control_plane().await;
    let world = World::with(&[("IDENTITY", "file://{dir}/own.json")]);
    let file = world.directory.path().join("own.json");
    let answer = enrol(&plane, &"hcp_test_n_token\n".into(), &file)
        .await
        .unwrap();
    assert_eq!(answer.key_id.as_str(), "key000000001");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = enrol(&plane, &"hcp_test_n_token".into(), &file).await;
    assert!(matches!(again, Err(EnrolError::Exists(_))));

    assert_eq!(beat(&world.relay, &plane).await.as_secs(), 60);
    let told = known.lock().unwrap().heartbeats.pop().unwrap();
    assert_eq!(
        (&told["queue_reachable"], &told["vault_reachable"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&told["sent"], &told["queue_depth"]),
        (&json!(0), &json!(0))
    );

    rotate_key(&plane, &file, &stamp()).await.unwrap();
    assert_eq!(known.lock().unwrap().keys.len(), 2);
    world.pass(301);
    beat(&world.relay, &plane).await;
    assert_eq!(
        known.lock().unwrap().heartbeats.len(),
        1,
        "the new key signs"
    );
    let left: Vec<_> = std::fs::read_dir(world.directory.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "no private key lies about: {left:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_no_key() {
    let (plane, known) = control_plane().await;
    known.lock().unwrap().lost = 1;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let lost = enrol(&plane, &"hcp_test_n_token".into(), &file).await;
    assert!(matches!(
        lost,
        Err(EnrolError::Call(CallError::Unreachable(_)))
    ));
    assert!(!file.exists());
    enrol(&plane, &"hcp_test_n_token".into(), &file)
        .await
        .unwrap();
    assert_eq!(
        known.lock().unwrap().keys.len(),
        1,
        "the same key was brought again"
    );
    assert!(file.exists());
}

#[tokio::test]
async fn a_token_that_is_refused_makes_no_identity() {
    let (plane, _) = control_plane().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let refused = enrol(&plane, &"hcp_test_n_wrong".into(), &file).await;
    assert!(matches!(
        refused,
        Err(EnrolError::Call(CallError::Refused(_)))
    ));
    assert!(!file.exists());
}

#[tokio::test]
async fn what_does_not_work_is_in_the_heartbeat_and_a_silent_control_plane_in_the_journal() {
    let (plane, known) = control_plane().await;
    let world = World::with(&[("SECRETS", "github=file://{dir}/none")]);
    assert_eq!(beat(&world.relay, &plane).await.as_secs(), 20);
    assert_eq!(world.journal().pop().unwrap()["event"], "heartbeat_failed");
    let key = crate::world::identity().public_key();
    known.lock().unwrap().keys.push(key);
    let refused = world
        .send(crate::world::post("github", &headers(&[]), Vec::new()))
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    beat(&world.relay, &plane).await;
    let told = known.lock().unwrap().heartbeats.pop().unwrap();
    assert_eq!(
        (&told["vault_reachable"], &told["refused"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(world.journal().pop().unwrap()["health"], "HEALTHY");
}
