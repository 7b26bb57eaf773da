//! One of every credential is made, used and misused; then its secret is looked for in every table, every log line and
//! every answer. Only the one answer that shows it has it.
//!
//! And everything that a webhook, a repository, an agent and a person say is looked for after a webhook has become a job, a
//! failure, a retry and a deployment: what the metadata contract does not name is nowhere.

mod machine;
mod plane;
mod provider;
mod said;
mod search;
mod stage;
mod story;
mod webhook;

use data_encoding::HEXLOWER;
use plane::LEAKS;
use search::{Canary, Leak};
use serde_json::{Value, json};
use stage::{Found, NOTHING, Stage, bearer};
use story::{REGISTER, registration};

#[tokio::test]
async fn a_secret_is_in_the_one_answer_that_shows_it_and_nowhere_else() {
    let mut stage = Stage::start().await;
    let ada = stage.sign_in("github").await;
    let ada = stage.page(&ada);
    let ada_tool = stage.sign_in_tool("github").await;
    let grace = stage.sign_in("google").await;
    let grace_tool = stage.sign_in_tool("google").await;
    let switched = stage.invite(&ada, &grace_tool).await;
    let token = stage.api_tokens(&ada).await;
    let agent = stage.agents(&ada).await;
    stage.work(&token, &agent).await;
    stage.read(&ada).await;
    for (_, secret) in stage.tokens.clone() {
        stage.misplace(&secret, &ada_tool).await;
    }
    stage.read(&bearer(&switched)).await;
    // Ended one way or another, and tried again.
    for path in [
        "/auth/tokens",
        "/api/agents/keys",
        "/api/agents/enrolment-tokens",
        "/api/agents/trust-rules",
    ] {
        let listed = stage.call(&format!("GET {path}"), &ada, &NOTHING).await;
        let all = listed
            .json
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_array);
        for one in all.flatten() {
            let revoke = format!("DELETE {path}/{}", one["key_id"].as_str().unwrap());
            stage.expect(204, &revoke, &ada, &NOTHING).await;
        }
    }
    let grace = stage.page(&grace);
    stage
        .expect(204, "POST /auth/logout", &grace, &NOTHING)
        .await;
    let switched = bearer(&switched);
    stage
        .expect(204, "DELETE /auth/sessions", &switched, &NOTHING)
        .await;
    stage.read(&ada).await;
    stage
        .expect(204, "DELETE /auth/sessions", &ada, &NOTHING)
        .await;
    for (name, secret) in stage.tokens.clone() {
        for operation in ["GET /api/queue/jobs", "POST /auth/validate", REGISTER] {
            let answer = stage
                .call(operation, &bearer(&secret), &registration())
                .await;
            assert!([401, 403].contains(&answer.status), "{name}: {answer:?}");
        }
    }

    let Found {
        leaks,
        places,
        unsaid,
    } = stage.leaks().await;
    assert_eq!(leaks, []);
    assert_eq!(unsaid, [""; 0]);
    // And it was worth looking.
    let bytes = |name: &str| {
        let named = places.iter().filter(|place| place.name.contains(name));
        named.map(|place| place.bytes.len()).sum::<usize>()
    };
    for place in [
        "its log",
        "its traces",
        "the file plane.db",
        "the table credentials",
        "the table audit",
    ] {
        assert!(bytes(place) > 1000, "{place} has next to nothing");
    }
    let log = places.iter().find(|place| place.name == "its log").unwrap();
    let log = String::from_utf8_lossy(&log.bytes);
    for said in [
        "\"panicked\"",
        "a message that was made at run time, and may quote a request",
        "a credential was refused",
        "\"level\":\"DEBUG\"",
    ] {
        assert!(log.contains(said), "the log does not say {said}");
    }
}

#[tokio::test]
async fn a_secret_that_leaks_into_an_item_a_log_line_a_trace_an_answer_or_a_message_is_found() {
    let mut stage = Stage::start().await;
    for kind in ["item", "log", "trace", "answer", "answer to a program"] {
        let secret = provider::random();
        stage.canaries.push(Canary::new(kind, &secret));
        let header = match kind {
            "item" => "x-into-item",
            "log" => "x-into-log",
            "trace" => "x-into-trace",
            _ => "x-into-answer",
        };
        let mut headers = vec![(header, secret)];
        if kind == "answer to a program" {
            headers.push(("user-agent", "hybrid-agent/0".to_owned()));
        }
        let operation = format!("POST {LEAKS}");
        stage.expect(200, &operation, &headers, &NOTHING).await;
    }
    let secret = provider::random();
    stage.canaries.push(Canary::new("message", &secret));
    let queue = stage.cloud.queue("leak").await;
    let digits = HEXLOWER.encode(secret.as_bytes());
    stage
        .cloud
        .send(&queue, &json!({ "digits": digits }).to_string())
        .await;
    let Found { leaks, unsaid, .. } = stage.leaks().await;
    for (canary, place) in [
        ("item", "the table jobs"),
        ("item", "the file plane.db"),
        ("log", "its log"),
        ("trace", "its traces"),
        ("answer", "answer "),
        ("answer to a program", "answers to programs"),
        ("message", "queue message 0"),
    ] {
        let is_it = |leak: &Leak| leak.canary == canary && leak.place.starts_with(place);
        assert!(leaks.iter().any(is_it), "{canary}: {leaks:?}");
    }
    // Nor does an item stay unnoticed of which nobody has said that it is held.
    assert_eq!(unsaid, ["jobs: nothing is said of items _ _"]);
}
