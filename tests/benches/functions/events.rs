//! The events that functions are given: those of `events/`, from callers who are known.

use serde_json::Value;
use std::fs;
use std::path::Path;

/// The sample event of that name.
pub(crate) fn sample(name: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let text = fs::read_to_string(root.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The sample event, from the bearer of that token, so that each call does what the first one does.
pub(crate) fn from_bearer(name: &str, token: &str) -> Value {
    let mut event = sample(name);
    let headers = event["headers"].as_object_mut().unwrap();
    headers.insert("authorization".to_owned(), format!("Bearer {token}").into());
    headers.remove("idempotency-key");
    event
}

/// The heartbeat of that agent.
pub(crate) fn heartbeat(name: &str, agent_id: &str, token: &str) -> Value {
    let mut event = from_bearer(name, token);
    let path = format!("/api/agents/{agent_id}/heartbeat");
    event["rawPath"] = path.as_str().into();
    event["requestContext"]["http"]["path"] = path.into();
    event
}
