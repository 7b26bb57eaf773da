//! What the contract makes of a delivery's fields, through the whole relay.

use crate::fixtures;
use crate::world::{Headers, SECRET, World, headers, post};
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use wire::relay::MAX_MESSAGE_BYTES;

/// The delivery of a push to GitHub with another value at this place.
fn push_with(pointer: &str, value: Value) -> (Headers, Vec<u8>) {
    let (headers, body) = fixtures::one("github", "push");
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    *body.pointer_mut(pointer).unwrap() = value;
    (headers, body.to_string().into_bytes())
}

#[tokio::test]
async fn a_leaf_that_is_no_text_is_left_out_or_refused_if_the_event_needs_it() {
    for value in [json!({}), json!([]), json!(["octocat"]), json!({ "a": 1 })] {
        let world = World::new();
        let (headers, body) = push_with("/sender/login", value.clone());
        world.deliver("github", &headers, &body).await.event_id();
        let event = world.events().await.remove(0).event;
        assert_eq!(event.author, None, "{value}");
        let line = world.journal().pop().unwrap();
        assert_eq!(line["left_out"], json!(["author"]), "{value}");
        let (headers, body) = push_with("/repository/full_name", value.clone());
        let answer = world.deliver("github", &headers, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{value}");
        assert_eq!(answer.json()["code"], "contract_broken", "{value}");
        let line = world.journal().pop().unwrap();
        assert_eq!(line["fields"], json!(["repository"]), "{value}");
        assert!(world.events().await.is_empty(), "{value}");
    }
}

/// A tool of one's own, whose webhooks carry its secret in a header.
fn own(name: &str, map: &str) -> (tempfile::TempDir, World) {
    let directory = tempfile::tempdir().unwrap();
    let file = format!(
        "version: 1\ntool: {name}\nverify: {{ method: token, header: X-Token }}\nselect: {{ path: $.kind }}\n\
         changed_paths: ['$.paths[*]']\nevents:\n  - values: [build]\n    event: WORKFLOW_RUN\n    map:\n{map}"
    );
    std::fs::write(directory.path().join("own.yaml"), file).unwrap();
    let at = directory.path().display().to_string();
    let classes: Vec<_> = (0..8)
        .map(|class| format!("{class}{}=**", "c".repeat(63)))
        .collect();
    let world = World::with(&[
        ("TOOLS_DIRECTORY", &at),
        ("SECRETS", &format!("{name}=file://{{dir}}/secret")),
        ("PATH_CLASSES", &classes.join(",")),
        ("AUDIT_KEY", "file://{dir}/key"),
    ]);
    (directory, world)
}

async fn deliver(world: &World, tool: &str, body: &Value) -> crate::world::Answer {
    let signed = headers(&[("X-Token", SECRET), ("Content-Type", "application/json")]);
    world.send(post(tool, &signed, body.to_string())).await
}

#[tokio::test]
async fn a_path_that_finds_several_leaves_finds_none_that_is_meant() {
    let (_directory, world) = own(
        "own",
        "      branch: { path: '$.branches[*]' }\n      status: { path: '$.states[?@.is_last == true].name' }\n",
    );
    let one = json!({ "kind": "build", "branches": ["main"],
                      "states": [{ "name": "queued" }, { "name": "done", "is_last": true }] });
    deliver(&world, "own", &one).await.event_id();
    let event = world.events().await.remove(0).event;
    assert_eq!(event.branch.unwrap().as_str(), "main");
    assert_eq!(event.status.unwrap().as_str(), "done");
    let several = json!({ "kind": "build", "branches": ["main", "release"], "states": [] });
    deliver(&world, "own", &several).await.event_id();
    let event = world.events().await.remove(0).event;
    assert_eq!((event.branch, event.status), (None, None));
    let line = world.journal().pop().unwrap();
    assert_eq!(line["left_out"], json!(["branch"]));
}

#[tokio::test]
async fn a_credential_that_a_tool_file_would_make_lower_case_is_left_out() {
    let (_directory, world) = own(
        "own",
        "      action: { path: $.action, lower: true }\n      status: { path: $.status, words: { AKIAIOSFODNN7EXAMPLE: ok } }\n",
    );
    let body = json!({ "kind": "build", "action": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                       "status": "AKIAIOSFODNN7EXAMPLE" });
    deliver(&world, "own", &body).await.event_id();
    let event = world.events().await.remove(0).event;
    assert_eq!((event.action, event.status), (None, None));
    let line = world.journal().pop().unwrap();
    assert_eq!(line["left_out"], json!(["action", "status"]));
}

/// Every field that a tool file can fill, each as long as the contract lets it be.
#[tokio::test]
async fn the_largest_event_that_the_contract_allows_fits_into_a_message() {
    let tool = "t".repeat(64);
    let label = |first: &str| format!("{first}{}", "l".repeat(63));
    let filled =
        |start: &str, length: usize| format!("{start}{}", "x".repeat(length - start.len()));
    let values = [
        ("action", json!(label("a"))),
        ("repository", json!(filled("example/", 200))),
        ("git_repo", json!(filled("https://git.example.com/", 256))),
        ("branch", json!(filled("feature/", 200))),
        ("tag", json!(filled("v1.0.0/", 200))),
        ("commit_sha", json!("f".repeat(64))),
        ("author", json!(filled("octocat", 100))),
        ("number", json!(u64::MAX)),
        ("status", json!(label("s"))),
        ("severity", json!(label("g"))),
        ("environment", json!(label("e"))),
    ];
    let map = values
        .iter()
        .map(|(field, _)| format!("      {field}: {{ path: $.{field} }}\n"));
    let (_directory, world) = own(&tool, &map.collect::<String>());
    let mut body = json!({ "kind": "build", "paths": ["a"] });
    for (field, value) in &values {
        body[*field] = value.clone();
    }
    deliver(&world, &tool, &body).await.event_id();
    let messages = world.queue.receive(10, Duration::ZERO).await.unwrap();
    let length = messages[0].body.len();
    assert!(length <= MAX_MESSAGE_BYTES / 2, "{length}");
    let line = world.journal().pop().unwrap();
    assert_eq!(line["left_out"], Value::Null);
    // What was put on the queue is really all of it.
    let envelope: Value = serde_json::from_str(&messages[0].body).unwrap();
    let payload = envelope["payload"].as_str().unwrap().as_bytes();
    let payload = data_encoding::BASE64.decode(payload).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    for (field, value) in &values {
        assert_eq!(&payload["event"][field], value, "{field}");
    }
    assert_eq!(
        payload["event"]["path_classes"].as_array().unwrap().len(),
        8
    );
    // One character more is one too many, of every text.
    for (field, value) in &values {
        let Some(text) = value.as_str() else { continue };
        let mut longer = body.clone();
        longer[*field] = json!(format!("{text}x"));
        deliver(&world, &tool, &longer).await.event_id();
        let line = world.journal().pop().unwrap();
        assert_eq!(line["left_out"], json!([field]));
    }
}
