//! What a function does with an environment or an event that it cannot use: it says so, and never passes for well.

use crate::harness::{Program, RuntimeApi, SOON, binary, project_root};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;
use store::{TABLES, Tables};
use tokio::time::timeout;

/// The functions that serve HTTP, and those that do not.
const HTTP: [&str; 4] = ["agents", "auth", "dashboard", "queue"];
const MAINTENANCE: &str = "maintenance";
const ORCHESTRATOR: &str = "orchestrator";

/// Too little for maintenance to begin a pass.
const NO_TIME: Duration = Duration::from_secs(4);

/// A function with what Lambda sets for it, and nothing else.
fn bare(name: &str, runtime: &str) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime)
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "key");
    command
}

/// A function that starts. Nobody is where its DynamoDB should be.
fn configured(name: &str, runtime: &str) -> Command {
    let tables = Tables::default();
    let mut command = bare(name, runtime);
    command
        .env("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
        .env("ENVIRONMENT", "test")
        .env("PUBLIC_ORIGIN", "https://ci.example.com")
        .env("GITHUB_CLIENT_ID", "flows")
        .env("GITHUB_CLIENT_SECRET", "flows")
        .envs(TABLES.map(|table| (table.variable, tables.name(table.kind).to_owned())));
    command
}

/// The lines of a function's log that say that something is wrong. All lines are objects.
fn errors(program: &Program) -> Vec<Value> {
    let said = program.stdout();
    let lines = said.lines().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    lines.filter(|line| line["level"] == "ERROR").collect()
}

#[tokio::test]
async fn a_function_with_a_bad_environment_names_all_that_is_wrong_in_one_line() {
    const BAD: [(&str, &str); 8] = [
        ("ENVIRONMENT", "canary-production"),
        ("PUBLIC_ORIGIN", "canary.example.com"),
        ("LOG_LEVEL", "queue=canary"),
        ("AWS_REGION", "Canary Islands"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "canary:8000"),
        ("DYNAMODB_TABLE_AGENTS", "canary agents"),
        ("GITHUB_CLIENT_ID", "canary/id"),
        ("HMAC_KEY_ENCRYPTION_KEY", "canary"),
    ];
    const OF_ALL: [&str; 5] = [
        "ENVIRONMENT must be live or test",
        "LOG_LEVEL: ",
        "AWS_REGION must be ",
        "AWS_ENDPOINT_URL_DYNAMODB must be ",
        "DYNAMODB_TABLE_AGENTS must be ",
    ];
    let directory = tempfile::tempdir().unwrap();
    for name in HTTP.into_iter().chain([MAINTENANCE, ORCHESTRATOR]) {
        let mut command = bare(name, "127.0.0.1:9");
        command.envs(BAD);
        let mut program = Program::start(name, &mut command, directory.path());
        assert_ne!(program.exit_code(SOON).await, 0, "{name}");
        let said = program.stdout();
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert_eq!(program.stderr(), "", "{name}");
        let line: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(line["level"], "ERROR", "{name}: {line}");
        let faults = line["faults"].as_str().unwrap();
        let mut wanted = OF_ALL.to_vec();
        match name {
            MAINTENANCE => wanted.push("DYNAMODB_TABLE_DEPLOYMENTS is missing"),
            ORCHESTRATOR => wanted.push("DYNAMODB_TABLE_RELAYS is missing"),
            "agents" => wanted.push("HMAC_KEY_ENCRYPTION_KEY must be "),
            "auth" => wanted.extend(["GITHUB_CLIENT_ID: ", "GITHUB_CLIENT_SECRET is missing"]),
            _ => {}
        }
        if name != ORCHESTRATOR {
            wanted.push("DYNAMODB_TABLE_AUDIT is missing");
        }
        if HTTP.contains(&name) {
            wanted.extend(["PUBLIC_ORIGIN ", "DYNAMODB_TABLE_SESSIONS is missing"]);
        }
        for fault in wanted {
            let times = faults.matches(fault).count();
            assert_eq!(times, 1, "{name}: {fault}: {faults}");
        }
        // A value may be a secret in the wrong place.
        assert!(!said.contains("canary"), "{name}: {said}");
    }
}

/// Events of shapes that a function does not serve, with a word in each that is not to be seen in the log.
fn unknown_events() -> Vec<String> {
    let mut events: Vec<_> = [
        json!({}),
        json!([]),
        json!(null),
        json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": "canary" }] }),
        json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": { "key": "canary" } }),
        // API Gateway's older format, and a load balancer's.
        json!({
            "version": "1.0", "resource": "/health", "path": "/health", "httpMethod": "GET", "headers": { "x": "canary" },
            "requestContext": { "stage": "live", "httpMethod": "GET", "path": "/health" }, "body": "canary",
        }),
        json!({
            "httpMethod": "GET", "path": "/health", "headers": { "x": "canary" }, "body": "canary",
            "requestContext": { "elb": { "targetGroupArn": "arn" } },
        }),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    events.push("{\"canary".to_owned());
    events
}

fn sample(name: &str) -> String {
    fs::read_to_string(project_root().join("events").join(name)).unwrap()
}

/// Gives the function each of the events, which it is to refuse, and then one that it serves.
async fn refuses(name: &str, events: &[String], good: String) {
    let directory = tempfile::tempdir().unwrap();
    let mut runtime = RuntimeApi::start().await;
    let mut command = configured(name, runtime.address());
    // Whatever is logged otherwise, an error is.
    command.env("LOG_LEVEL", "off");
    let program = Program::start(name, &mut command, directory.path());
    let mut seen = 0;
    for event in events {
        runtime.give(event.clone(), NO_TIME);
        let outcome = timeout(SOON, runtime.outcome()).await.unwrap();
        let Err(failure) = outcome.result else {
            panic!("{name} answers {event}");
        };
        assert!(failure["errorMessage"].is_string(), "{name}: {failure}");
        let said = errors(&program).len();
        assert!(said > seen, "{name}: nothing is said of {event}");
        seen = said;
    }
    let said = program.stdout() + &program.stderr();
    assert!(!said.contains("canary"), "{name}: {said}");
    // It is as well as before.
    runtime.give(good, NO_TIME);
    let outcome = timeout(SOON, runtime.outcome()).await.unwrap();
    assert!(outcome.result.is_ok(), "{name}: {outcome:?}");
    assert!(outcome.at >= outcome.given_at);
    assert_eq!(errors(&program).len(), seen, "{name}");
}

#[tokio::test]
async fn an_event_that_an_http_function_does_not_know_fails_and_is_logged() {
    let mut events = unknown_events();
    events.push(sample("maintenance-scheduled.json"));
    // A body that is no Base64, which API Gateway never sends.
    let mut broken: Value = serde_json::from_str(&sample("queue-enqueue-base64.json")).unwrap();
    broken["body"] = json!("canary!");
    events.push(broken.to_string());
    for name in HTTP {
        refuses(name, &events, sample("dashboard-health.json")).await;
    }
}

#[tokio::test]
async fn an_event_that_is_not_scheduled_fails_maintenance_and_is_logged() {
    let mut events = unknown_events();
    events.push(sample("dashboard-health.json"));
    refuses(MAINTENANCE, &events, sample("maintenance-scheduled.json")).await;
}

#[tokio::test]
async fn an_event_that_is_neither_messages_nor_the_minute_fails_the_orchestrator() {
    let mut events = unknown_events();
    events.push(sample("dashboard-health.json"));
    refuses(ORCHESTRATOR, &events, sample("orchestrator-scheduled.json")).await;
}

#[tokio::test]
async fn a_function_waits_for_its_first_event_without_calling_anybody() {
    let directory = tempfile::tempdir().unwrap();
    for name in HTTP.into_iter().chain([MAINTENANCE, ORCHESTRATOR]) {
        // Had it described a table, it would have ended, or said that nobody is there.
        let runtime = RuntimeApi::start().await;
        let mut command = configured(name, runtime.address());
        let mut program = Program::start(name, &mut command, directory.path());
        timeout(SOON, runtime.asked()).await.unwrap();
        assert!(program.has_ended().is_none(), "{name}");
        assert_eq!(program.stdout() + &program.stderr(), "", "{name}");
    }
}
