//! `cargo xtask bench-lambda`: the functions as the binaries that Lambda runs, against a runtime API and a DynamoDB in this
//! process.
//!
//! The numbers go to `target/bench-lambda.json`, from which the command makes its table. In a debug build, as
//! `cargo test -p flows --bench functions` makes it, the binaries beside it are measured, which shows that all of it works.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

#[path = "../../tests/flows/harness/credentials.rs"]
mod credentials;
mod database;
mod events;
mod measured;
mod process;
#[path = "../../tests/flows/harness/runtime_api.rs"]
mod runtime_api;

use auth::Api;
use credentials::Credentials;
use database::Database;
use measured::{Measured, Starts};
use process::{Process, http_answer};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{Store, Tables};
use telemetry::Meter;
use web::{Clock, Entropy};

/// How often each function is started for each kind of first answer.
const STARTS: usize = 40;

/// How often a warm one is called.
const CALLS: usize = 1_000;

/// How long an HTTP function is given.
const HTTP_TIME: Duration = Duration::from_secs(28);

/// What maintenance is given for an invocation that ends at once: it stops five seconds before its time is up.
const NO_TIME: Duration = Duration::from_secs(4);

/// What it is given for one pass of each kind: by a process that has just started, and by a warm one.
const TIME_FOR_A_FIRST_PASS: Duration = Duration::from_millis(5_200);
const TIME_FOR_A_PASS: Duration = Duration::from_millis(5_020);

/// A function, the event that it answers without DynamoDB, and that which it answers with it.
struct Function {
    name: &'static str,
    without: &'static str,
    with: &'static str,
}

const FUNCTIONS: [Function; 7] = [
    function("queue", "queue-enqueue.json", "queue-enqueue.json"),
    function("agents", "agents-heartbeat.json", "agents-heartbeat.json"),
    function(
        "dashboard",
        "dashboard-health.json",
        "dashboard-summary.json",
    ),
    function("auth", "auth-validate.json", "auth-validate.json"),
    function("relays", "relays-list.json", "relays-list.json"),
    function(
        "orchestrator",
        "orchestrator-sqs-batch.json",
        "orchestrator-sqs-batch.json",
    ),
    function(
        "maintenance",
        "maintenance-scheduled.json",
        "maintenance-scheduled.json",
    ),
];

const fn function(name: &'static str, without: &'static str, with: &'static str) -> Function {
    Function {
        name,
        without,
        with,
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let binaries = target.with_file_name(profile);
    let functions = runtime.block_on(async {
        let plane = Plane::new(binaries).await;
        let mut functions = Map::new();
        for function in FUNCTIONS {
            eprintln!("measuring {}", function.name);
            let measured = plane.measure(&function).await;
            functions.insert(function.name.to_owned(), measured.to_json());
        }
        functions
    });
    let report = json!({
        "profile": profile,
        "architecture": std::env::consts::ARCH,
        "starts": STARTS,
        "calls": CALLS,
        "functions": functions,
    });
    let path = target.with_file_name("bench-lambda.json");
    std::fs::write(&path, format!("{report:#}\n")).unwrap();
}

/// What the functions share, and whoever calls them.
struct Plane {
    database: Database,
    api: Api,
    binaries: PathBuf,
}

impl Plane {
    async fn new(binaries: PathBuf) -> Self {
        let database = Database::start().await;
        let store = Store::new(
            database.engine.client(),
            Tables::default(),
            Meter::default(),
        );
        store.create_tables().await.unwrap();
        let api = Api {
            entropy: Entropy::system(),
            ..Api::testing(store, Clock::system())
        };
        Self {
            database,
            api,
            binaries,
        }
    }

    async fn measure(&self, function: &Function) -> Measured {
        let binary = self.binary(function.name);
        let events = self.known_events(function).await;
        let unknown = [event_without_dynamodb(function)];
        let first = self.starts(function, &unknown, false).await;
        let first_with_dynamodb = self.starts(function, &events, true).await;

        let mut process = Process::start(&binary, self.database.url(), None).await;
        process.runtime.asked().await;
        let resident_at_start = process.resident_bytes();
        // The first one is not warm.
        let first_event = events[0].to_string();
        process.invoke(first_event, time_for(function, true)).await;
        let time = if function.name == "maintenance" {
            TIME_FOR_A_PASS
        } else {
            HTTP_TIME
        };
        let (processor, logged) = (process.processor_time(), process.logged_bytes());
        let mut warm = Vec::with_capacity(CALLS);
        for event in events.iter().cycle().take(CALLS) {
            let outcome = process.invoke(event.to_string(), time).await;
            expect_success(function, &outcome);
            warm.push(outcome.at - outcome.given_at);
        }
        let calls = u32::try_from(CALLS).unwrap();
        let worked = process.processor_time().saturating_sub(processor);
        Measured {
            size_bytes: std::fs::metadata(&binary).unwrap().len(),
            first,
            first_with_dynamodb,
            warm: (function.name != "maintenance").then_some(warm),
            warm_processor: worked / calls,
            resident_at_start,
            resident_after_calls: process.resident_bytes(),
            log_bytes_of_call: (process.logged_bytes() - logged) / u64::from(calls),
        }
    }

    /// Starts the function again and again, each time with one of the events.
    async fn starts(&self, function: &Function, events: &[Value], with_dynamodb: bool) -> Starts {
        let binary = self.binary(function.name);
        let mut starts = Starts::default();
        for event in events.iter().cycle().take(STARTS) {
            self.database.first_answer();
            let event = (event.to_string(), time_for(function, with_dynamodb));
            let mut process = Process::start(&binary, self.database.url(), Some(event)).await;
            let outcome = process.outcome().await;
            let first_call = self.database.first_answer();
            assert_eq!(first_call.is_some(), with_dynamodb, "{}", function.name);
            if with_dynamodb {
                expect_success(function, &outcome);
            }
            // Maintenance answers when its time is up: what counts is when it has begun to work.
            let at = match first_call {
                Some(call) if function.name == "maintenance" => call,
                Some(_) | None => outcome.at,
            };
            starts.took.push(at - process.begun);
            starts.processor.push(process.processor_time());
        }
        starts
    }

    /// Events whose callers are known, to be given in turn. They come from two tenants, since there is a limit to what one
    /// may ask for in ten seconds.
    async fn known_events(&self, function: &Function) -> Vec<Value> {
        if matches!(function.name, "maintenance" | "orchestrator") {
            return vec![events::sample(function.with)];
        }
        let mut known = Vec::new();
        for number in 1..=2 {
            let tenant = format!("{}-{number}", function.name);
            let credentials = Credentials::create(&self.api, &tenant).await;
            known.push(if function.name == "agents" {
                let (id, token) = self.register(&credentials.agent_key).await;
                events::heartbeat(function.with, &id, &token)
            } else {
                events::from_bearer(function.with, &credentials.api_token)
            });
        }
        known
    }

    /// An agent's id and the token of its session.
    async fn register(&self, key: &str) -> (String, String) {
        let binary = self.binary("agents");
        let mut process = Process::start(&binary, self.database.url(), None).await;
        let event = events::from_bearer("agents-register.json", key);
        let outcome = process.invoke(event.to_string(), HTTP_TIME).await;
        let (status, answer) = http_answer(&outcome);
        assert_eq!(status, 201, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("agent_id"), text("session_token"))
    }

    fn binary(&self, name: &str) -> PathBuf {
        let path = self
            .binaries
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(
            path.is_file(),
            "there is no {}: `cargo xtask bench-lambda` builds it",
            path.display()
        );
        path
    }
}

fn time_for(function: &Function, with_dynamodb: bool) -> Duration {
    match (function.name, with_dynamodb) {
        ("maintenance", true) => TIME_FOR_A_FIRST_PASS,
        ("maintenance", false) => NO_TIME,
        _ => HTTP_TIME,
    }
}

fn event_without_dynamodb(function: &Function) -> Value {
    let mut event = events::sample(function.without);
    if function.name == "orchestrator" {
        // What is no envelope is known for that without a look at a table.
        let records = event["Records"].as_array_mut().unwrap();
        records.retain(|record| !record["body"].as_str().unwrap().starts_with('{'));
        assert!(!records.is_empty());
    }
    event
}

fn expect_success(function: &Function, outcome: &runtime_api::Outcome) {
    match function.name {
        "maintenance" => {
            let answer = outcome.result.as_ref().unwrap();
            assert_eq!(answer["sweeps"]["errors"], 0, "{answer}");
        }
        // Each message is looked at, and none is believed: their relay is not known here.
        "orchestrator" => {
            let answer = outcome.result.as_ref().unwrap();
            let failures = answer["batchItemFailures"].as_array().unwrap();
            let records = events::sample(function.with);
            assert_eq!(failures.len(), records["Records"].as_array().unwrap().len());
        }
        _ => {
            let (status, answer) = http_answer(outcome);
            assert!((200..300).contains(&status), "{status} {answer}");
        }
    }
}
