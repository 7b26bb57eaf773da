//! Every change leaves one record, and what is exported of them is verified as a customer would.

pub(crate) mod world;

use crate::harness::{Plane, binary};
use crate::plane;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use wire::TenantId;
use wire::audit::Action;
use world::{World, administrator};

const CHANGING: [&str; 4] = ["post", "put", "patch", "delete"];
const SHA: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// What is recorded by maintenance, from the jobs themselves.
const HARVESTED: [&str; 4] = [
    "patch /api/queue/jobs/{id}/complete",
    "post /api/dashboard/jobs",
    "post /api/queue/jobs",
    "post /api/queue/jobs/batch",
];

/// What is not recorded. A route comes onto this list by a decision, not by being forgotten.
const UNRECORDED: [&str; 6] = [
    "patch /api/queue/jobs/{id}/start",
    "post /api/agents/{id}/heartbeat",
    "post /api/queue/claim",
    "post /api/relays/heartbeat",
    "post /api/relays/{id}/routing/test",
    "post /auth/validate",
];

/// Whose changes take a person who has signed in: that function's own tests perform them.
const OF_PEOPLE: &str = "/auth/";

/// What every changing operation declares to record.
async fn declared() -> Vec<(String, Value)> {
    let api = plane::api().await;
    let (_router, document) = plane::routes(&api).into_parts();
    let document = serde_json::to_value(document).unwrap();
    let mut declared = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in CHANGING {
            if let Some(operation) = item.get(method) {
                let audit = operation["x-audit"].clone();
                declared.push((format!("{method} {path}"), audit));
            }
        }
    }
    declared
}

#[tokio::test]
async fn every_route_that_changes_something_says_what_it_records() {
    let (mut harvested, mut unrecorded) = (BTreeSet::new(), BTreeSet::new());
    for (operation, audit) in declared().await {
        match &audit {
            Value::Array(actions) => {
                assert!(!actions.is_empty(), "{operation} records nothing");
                for action in actions {
                    let word = action.as_str().unwrap();
                    assert!(word.parse::<Action>().is_ok(), "{operation}: {word}");
                }
            }
            Value::String(word) if word == "harvested" => {
                harvested.insert(operation);
            }
            Value::Object(said) if said["unrecorded"].as_str().is_some_and(|why| why.len() > 9) => {
                unrecorded.insert(operation);
            }
            other => panic!("{operation} does not say what it records: {other}"),
        }
    }
    assert_eq!(harvested, HARVESTED.map(str::to_owned).into());
    assert_eq!(unrecorded, UNRECORDED.map(str::to_owned).into());
}

#[tokio::test]
async fn every_change_leaves_exactly_one_record() {
    let mut world = World::new().await;
    world.everything().await;
    let audited: BTreeSet<_> = declared()
        .await
        .into_iter()
        .filter(|(operation, audit)| audit.is_array() && !operation.contains(OF_PEOPLE))
        .map(|(operation, _)| operation)
        .collect();
    assert_eq!(world.performed, audited);
    let text = serde_json::to_string(&world.records().await).unwrap();
    assert!(!text.contains("canary"), "free text is in the record");
    assert!(!text.contains("hcp_"), "a credential is in the record");
}

/// What the program says of a file, with its exit code.
fn verified(lines: &str, arguments: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.ndjson");
    std::fs::write(&file, lines).unwrap();
    let output = Command::new(binary("verify-audit"))
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), said)
}

#[tokio::test]
async fn an_export_is_verified_and_whatever_is_done_to_it_is_named() {
    let mut world = World::new().await;
    world.everything().await;
    world.maintain().await;
    let list = world.call("get", "/api/dashboard/audit", None).await;
    let (sequence, hash) = (&list["head"]["sequence"], &list["head"]["hash"]);
    let head = format!("{sequence}:{}", hash.as_str().unwrap());
    let lines = world.export(&world.admin).await;
    let count = lines.lines().count();
    assert_eq!(sequence.as_u64(), Some(count as u64));
    for harvested in ["job.enqueued", "job.ended"] {
        assert!(lines.contains(harvested), "{harvested} is missing");
    }
    let (code, said) = verified(&lines, &["--expect-head", &head]);
    assert_eq!(code, 0, "{said}");
    let altered = lines.replacen("\"HIGH\"", "\"LOW\"", 1);
    let number = 1 + lines
        .lines()
        .position(|line| line.contains("\"HIGH\""))
        .unwrap();
    let (code, said) = verified(&altered, &[]);
    assert_eq!(code, 1);
    let which = format!("record {number} is altered");
    assert!(said.contains(&which), "{said}");
    let third = lines.lines().nth(2).unwrap();
    let without_third = lines.replacen(&format!("{third}\n"), "", 1);
    let (code, said) = verified(&without_third, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("record 3 is missing"), "{said}");
    let end = lines.trim_end().rfind('\n').unwrap();
    assert_eq!(verified(&lines[..=end], &[]).0, 0);
    assert_eq!(verified(&lines[..=end], &["--expect-head", &head]).0, 1);
}

#[tokio::test]
async fn another_organisation_sees_nothing_of_it() {
    let mut world = World::new().await;
    world.everything().await;
    world.maintain().await;
    let tenant = TenantId::parse("globex").unwrap();
    let now = world.api.now();
    let other = world.api.store.create_tenant(&tenant, now).await.unwrap();
    let bearer = administrator(&world.api, &other).await;
    assert_eq!(world.export(&bearer).await, "");
    let (_, text) = world
        .send("get", "/api/dashboard/audit", &bearer, None)
        .await;
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&list["records"], &list["head"]["sequence"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn a_record_has_the_address_of_the_connection_and_the_id_of_the_answer() {
    let plane = Plane::in_memory().await;
    let url = format!("{}/api/agents/pools", plane.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client
        .post(url)
        .bearer_auth(plane.api_token())
        .header("x-forwarded-for", "203.0.113.9")
        .json(&json!({"pool_name": "metal"}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    let request_id = response.headers()["x-request-id"].to_str().unwrap();
    let list = plane.api().get("/api/dashboard/audit").await.expect(200);
    let records = list["records"].as_array().unwrap();
    let record = records
        .iter()
        .find(|record| record["resource"] == "pool:metal")
        .unwrap();
    assert_eq!(record["address"], "127.0.0.1");
    assert_eq!(record["request_id"], request_id);
}
