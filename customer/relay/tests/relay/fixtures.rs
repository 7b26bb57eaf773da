//! What becomes of each vendor's documented deliveries: every field that leaves, and the status.

use crate::world::{Headers, World};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Fixture {
    headers: Headers,
    body: Value,
}

/// The fixtures of a tool, in the order of their names.
pub(crate) fn of(tool: &str) -> Vec<(String, Headers, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(tool);
    let mut fixtures = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let fixture: Fixture = serde_json::from_str(&text).unwrap();
        fixtures.push((
            name,
            fixture.headers,
            serde_json::to_vec(&fixture.body).unwrap(),
        ));
    }
    fixtures.sort();
    fixtures
}

/// One fixture.
pub(crate) fn one(tool: &str, name: &str) -> (Headers, Vec<u8>) {
    let found = of(tool).into_iter().find(|(known, ..)| known == name);
    let (_, headers, body) = found.unwrap();
    (headers, body)
}

/// What every event of the snapshots has in common is left out of them.
fn shown(event: &wire::relay::RelayEvent) -> Value {
    let mut value = serde_json::to_value(&event.event).unwrap();
    let fields = value.as_object_mut().unwrap();
    for field in [
        "event_id",
        "tool",
        "received_at",
        "body_bytes",
        "commitment",
    ] {
        fields.remove(field).unwrap();
    }
    value
}

async fn snapshot(tool: &str) -> BTreeMap<String, Value> {
    let world = World::with(&[(
        "PATH_CLASSES",
        "docs=docs/**|*.md|CHANGELOG,infra=terraform/**",
    )]);
    let mut outcomes = BTreeMap::new();
    for (name, headers, body) in of(tool) {
        let answer = world.deliver(tool, &headers, &body).await;
        let events = world.events().await;
        let left_out = world.journal().pop().unwrap()["left_out"].clone();
        let outcome = match &events[..] {
            [] => json!(answer.status.as_u16()),
            [event] => {
                assert_eq!(answer.event_id(), event.event.event_id.as_str());
                assert_eq!(event.event.body_bytes, body.len() as u64);
                let mut shown = shown(event);
                if !left_out.is_null() {
                    shown["(left out)"] = left_out;
                }
                shown
            }
            _ => panic!("more than one event of {name}"),
        };
        outcomes.insert(name, outcome);
    }
    outcomes
}

#[tokio::test]
async fn github() {
    insta::assert_json_snapshot!(snapshot("github").await);
}

#[tokio::test]
async fn gitlab() {
    insta::assert_json_snapshot!(snapshot("gitlab").await);
}

#[tokio::test]
async fn bitbucket() {
    insta::assert_json_snapshot!(snapshot("bitbucket").await);
}

#[tokio::test]
async fn gitea() {
    insta::assert_json_snapshot!(snapshot("gitea").await);
}

#[tokio::test]
async fn jenkins() {
    insta::assert_json_snapshot!(snapshot("jenkins").await);
}

#[tokio::test]
async fn terraform() {
    insta::assert_json_snapshot!(snapshot("terraform").await);
}

#[tokio::test]
async fn prometheus() {
    insta::assert_json_snapshot!(snapshot("prometheus").await);
}
