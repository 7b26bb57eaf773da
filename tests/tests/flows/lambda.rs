//! The functions as the binaries they are: the emulator of cargo-lambda with its router before them, DynamoDB Local
//! behind them.

use crate::harness::{
    Api, Credentials, Guest, KEY, Program, REGION, SOON, Scripted, bare, cargo_lambda,
    configuration, dynamodb_local, free_port, project_root, until,
};
use crate::sender::Sender;
use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use store::{Store, Tables};
use telemetry::Meter;
use tempfile::TempDir;
use web::{Clock, Entropy};
use wire::relay::QueueReference;
use wire::{JobStatus, QueueProvider};

/// Every function.
const FUNCTIONS: [&str; 7] = [
    "agents",
    "auth",
    "dashboard",
    "maintenance",
    "orchestrator",
    "queue",
    "relays",
];

/// Those that are not called over HTTP.
const UNASKED: [&str; 2] = ["maintenance", "orchestrator"];

/// The functions, running.
struct Deployment {
    /// Dropped first, so that the functions do not outlive their runtime API.
    functions: Vec<Program>,
    _emulator: Program,
    cargo_lambda: PathBuf,
    port: u16,
    store: auth::Api,
    credentials: Credentials,
    directory: TempDir,
}

impl Deployment {
    /// Starts everything, unless the test is to be skipped.
    async fn start() -> Option<Self> {
        let cargo_lambda = cargo_lambda()?;
        let dynamodb_url = dynamodb_local()?;
        let directory = tempfile::tempdir().unwrap();
        let entropy = Entropy::system();
        let number = u64::from_le_bytes(entropy.bytes());
        let tables = Tables::with_prefix(&format!("f{number:016x}-"));
        let client = client(&dynamodb_url);
        let store = Store::new(client, tables.clone(), Meter::default());
        let api = auth::Api {
            entropy,
            ..auth::Api::testing(store, Clock::system())
        };
        api.store.create_tables().await.unwrap();
        let credentials = Credentials::create(&api, "acme").await;

        let port = free_port();
        let emulator = emulator(&cargo_lambda, port, directory.path()).await;
        let functions = FUNCTIONS
            .iter()
            .map(|name| {
                let mut command = bare(name);
                let runtime = format!("http://127.0.0.1:{port}/.rt/{name}");
                command
                    .env("AWS_LAMBDA_RUNTIME_API", runtime)
                    .envs(configuration(&dynamodb_url, &tables));
                Program::start(name, &mut command, directory.path())
            })
            .collect();
        Some(Self {
            functions,
            _emulator: emulator,
            cargo_lambda,
            port,
            store: api,
            credentials,
            directory,
        })
    }

    fn api(&self, token: &str) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.port), token)
    }

    /// What a function answers to an event.
    async fn invoke(&self, function: &str, event: &Path) -> Value {
        let mut command = Command::new(&self.cargo_lambda);
        command
            .args(["lambda", "invoke", function, "--output-format", "json"])
            .args(["--invoke-address", "127.0.0.1"])
            .args(["--invoke-port", &self.port.to_string(), "--data-file"])
            .arg(event)
            .current_dir(self.directory.path());
        let mut invocation = Program::start("invoke", &mut command, self.directory.path());
        let code = invocation.exit_code(SOON).await;
        let (said, failed) = (invocation.stdout(), invocation.stderr());
        assert_eq!(code, 0, "{function} {}: {failed}", event.display());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The event of that name with other texts in it.
    fn changed(&self, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = fs::read_to_string(events().join(name)).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{old} is not in {name}");
            text = text.replace(old, new);
        }
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(AwsCredentials::new(KEY, KEY, None, None, "tests"))
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

/// cargo-lambda's emulator with the router of the project. The functions are started by the test and not by it, since
/// it would build them first, with other features than the tests are built with.
async fn emulator(cargo_lambda: &Path, port: u16, directory: &Path) -> Program {
    let mut command = Command::new(cargo_lambda);
    command
        .args(["lambda", "watch", "--only-lambda-apis"])
        .args(["--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &port.to_string()])
        .current_dir(project_root());
    let mut emulator = Program::start("emulator", &mut command, directory);
    until("the emulator to listen", SOON, async || {
        assert!(emulator.has_ended().is_none(), "the emulator has ended");
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    })
    .await;
    emulator
}

/// Whose credential a sample event has, once it is replaced by a good one.
#[derive(Debug, Clone, Copy)]
enum Who {
    Nobody,
    Tool,
    Machine,
    Agent,
    Person,
}

/// Every sample event but those that are no requests: whose it is, and the status of the answer as it stands, with
/// credentials that nobody has, and with good ones.
const SAMPLES: [(&str, Who, u64, u64); 18] = [
    ("agents-heartbeat", Who::Agent, 401, 200),
    ("agents-list", Who::Tool, 401, 200),
    ("agents-register", Who::Machine, 401, 201),
    // No browser has begun this sign-in.
    ("auth-callback", Who::Nobody, 401, 401),
    ("auth-login", Who::Nobody, 302, 302),
    ("auth-sessions-cookie", Who::Person, 401, 200),
    ("auth-logout-cookie", Who::Person, 401, 204),
    ("auth-validate", Who::Tool, 401, 200),
    ("dashboard-deployment", Who::Tool, 401, 201),
    ("dashboard-export", Who::Tool, 401, 200),
    ("dashboard-health", Who::Nobody, 200, 200),
    ("dashboard-summary", Who::Tool, 401, 200),
    ("queue-claim", Who::Agent, 401, 200),
    ("queue-enqueue", Who::Tool, 401, 201),
    ("queue-enqueue-base64", Who::Tool, 401, 201),
    ("queue-list", Who::Tool, 401, 200),
    ("relays-list", Who::Tool, 401, 200),
    ("relays-register", Who::Tool, 401, 201),
];

/// A list whose filter stands there twice: refused once it is known whose it is.
const REPEATED: &str = "queue-list-repeated";
const SCHEDULED: &str = "maintenance-scheduled";
const POLLED: &str = "orchestrator-scheduled";
const MESSAGES: &str = "orchestrator-sqs-batch";

fn events() -> PathBuf {
    project_root().join("events")
}

fn job() -> Value {
    json!({
        "job_type": "build", "pool_name": "default", "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    })
}

#[tokio::test]
async fn the_functions_behind_the_router_run_a_job_from_end_to_end() {
    let Some(mut deployment) = Deployment::start().await else {
        return;
    };
    let api = deployment.api(&deployment.credentials.api_token);
    let key = deployment.api(&deployment.credentials.agent_key);

    let health = api.get("/health").await.expect(200);
    assert_eq!(health["status"], "healthy");
    assert_eq!(
        api.get("/api/openapi.json").await.expect(200)["openapi"],
        "3.1.0"
    );
    let agent = Scripted::register_with(&key, "default").await;
    let id = api.enqueue(&job()).await.job_id;
    let job = agent.claim_one().await;
    assert_eq!((&job.job_id, job.attempt), (&id, 1));
    agent.heartbeat(&[&job]).await;
    assert_eq!(agent.start(&job).await.status, JobStatus::Running);
    let done = agent.complete(&job, 0).await;
    assert_eq!(
        (done.job.status, done.retried),
        (JobStatus::Completed, false)
    );
    // Each function sees what the others did.
    assert_eq!(api.job(&id).await, done.job);
    assert_eq!(api.attempts(&id).await.len(), 1);
    let agents = api.get("/api/agents").await.expect(200);
    assert_eq!(agents["agents"][0]["status"], "HEALTHY", "{agents}");

    let relays = api.get("/api/relays").await.expect(200);
    assert_eq!(relays["relays"], json!([]), "{relays}");

    let who = api.post("/auth/validate", &json!({})).await.expect(200);
    assert_eq!(who["organisation_id"], "acme", "{who}");

    let stranger = api.with_token("junk").get("/api/queue/jobs").await;
    assert_eq!((stranger.status, stranger.code()), (401, "unauthenticated"));
    assert_eq!(stranger.headers["content-type"], "application/problem+json");
    for (name, function) in FUNCTIONS.iter().zip(&mut deployment.functions) {
        assert!(function.has_ended().is_none(), "{name} has ended");
        // Logs and metrics share the output: each line is an object of its own.
        let said = function.stdout();
        let mut lines = said.lines().map(serde_json::from_str::<Value>);
        assert!(
            lines.all(|line| line.is_ok_and(|line| line.is_object())),
            "{name}: {said}"
        );
        let publishes = said.contains("\"capacity/read_units\"");
        assert_eq!(publishes, !UNASKED.contains(name), "{name}: {said}");
    }
}

/// The function that an event is for, by the beginning of its name.
fn function_of(name: &str) -> &str {
    name.split_once('-').unwrap().0
}

fn file(name: &str) -> String {
    format!("{name}.json")
}

#[tokio::test]
async fn every_sample_event_is_answered_by_its_function() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let answer = deployment
        .invoke("maintenance", &events().join(file(SCHEDULED)))
        .await;
    assert!(answer["sweeps"]["passes"].as_u64() > Some(0), "{answer}");
    assert_eq!(answer["sweeps"]["errors"], 0, "{answer}");
    assert_eq!(answer["roll_ups"]["errors"], 0, "{answer}");

    let answer = deployment
        .invoke("orchestrator", &events().join(file(POLLED)))
        .await;
    assert_eq!(
        (&answer["rounds"], &answer["errors"]),
        (&json!(1), &json!(0))
    );

    let key = deployment.api(&deployment.credentials.agent_key);
    let agent = Scripted::register_with(&key, "default").await;
    let guest = Guest::sign_in(&deployment.store, "guest").await;
    let person = guest.bearer.strip_prefix("Bearer ").unwrap();
    let credentials = &deployment.credentials;
    let sample = |kind| {
        let zeros = "A".repeat(43);
        format!("hcp_test_{kind}_000000000000_{zeros}_000000")
    };
    let [token, agent_key, own, session] = ["u", "a", "s", "w"].map(sample);
    let own_id = ("agent-01JN3Z8V5T6Q7R8S9T0V1W2X3Y", agent.id.as_str());
    let samples = SAMPLES.into_iter();
    for (name, who, stranger, known) in samples.chain([(REPEATED, Who::Tool, 401, 400)]) {
        let stands = events().join(file(name));
        let answer = deployment.invoke(function_of(name), &stands).await;
        assert_eq!(answer["statusCode"], stranger, "{name}: {answer}");

        let changes: &[(&str, &str)] = match who {
            Who::Nobody => &[],
            Who::Tool => &[(&token, &credentials.api_token)],
            Who::Machine => &[(&agent_key, &credentials.agent_key)],
            Who::Agent if name == "agents-heartbeat" => &[(&own, agent.api.token()), own_id],
            Who::Agent => &[(&own, agent.api.token())],
            Who::Person => &[(&session, person)],
        };
        let event = deployment.changed(&file(name), changes);
        let answer = deployment.invoke(function_of(name), &event).await;
        assert_eq!(answer["statusCode"], known, "{name}: {answer}");
    }
}

#[tokio::test]
async fn of_a_batch_of_messages_the_poisoned_one_is_reported_and_the_rest_proceeds() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let sample = events().join(file(MESSAGES));
    let text = fs::read_to_string(&sample).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let records = event["Records"].as_array_mut().unwrap();
    let id = |record: &Value| json!({ "itemIdentifier": record["messageId"] });
    let (poisoned, all) = (id(&records[1]), records.iter().map(id).collect());
    let failures = |failures: Vec<Value>| json!({ "batchItemFailures": failures });
    // As it stands it is nobody's.
    let answer = deployment.invoke("orchestrator", &sample).await;
    assert_eq!(answer, failures(all));

    let inbound = QueueReference {
        provider: QueueProvider::AwsSqs,
        address: "https://sqs.eu-central-1.amazonaws.com/123456789012/hybrid-ci-events".to_owned(),
    };
    let build = json!({ "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default" });
    let rules = json!({ "tools": { "github": [{ "when": {}, "then": build }] } });
    let sender = Sender::set_up(&deployment.store, "acme", (inbound, None), rules).await;
    for (place, branch) in [(0, "main"), (2, "release/1.4")] {
        records[place]["body"] = json!(sender.message(deployment.store.now(), place, branch));
    }
    let path = deployment.directory.path().join("signed.json");
    fs::write(&path, event.to_string()).unwrap();
    let api = deployment.api(&deployment.credentials.api_token);
    // The second time as if the answer to the first had been lost.
    for _ in 0..2 {
        let answer = deployment.invoke("orchestrator", &path).await;
        assert_eq!(answer, failures(vec![poisoned.clone()]));
        let jobs = api.get("/api/queue/jobs").await.expect(200);
        let jobs = jobs["jobs"].as_array().unwrap();
        let refs: BTreeSet<_> = jobs.iter().map(|job| job["git_ref"].as_str()).collect();
        assert_eq!(jobs.len(), 2, "{jobs:?}");
        assert_eq!(refs, BTreeSet::from([Some("main"), Some("release/1.4")]));
    }
}

#[test]
fn no_sample_event_is_untested() {
    let files: BTreeSet<String> = fs::read_dir(events())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let tested = SAMPLES.map(|(name, ..)| name);
    let tested = tested
        .into_iter()
        .chain([REPEATED, SCHEDULED, POLLED, MESSAGES]);
    assert_eq!(files, tested.clone().map(file).collect());
    let functions: BTreeSet<&str> = tested.map(function_of).collect();
    assert_eq!(functions, BTreeSet::from(FUNCTIONS));
}

#[tokio::test]
async fn a_function_without_configuration_names_everything_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    for name in FUNCTIONS {
        let mut function = Program::start(name, &mut bare(name), directory.path());
        assert_ne!(function.exit_code(SOON).await, 0, "{name}");
        let said = function.stdout() + &function.stderr();
        let mut wanted = vec![
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_LAMBDA_RUNTIME_API",
            "DYNAMODB_TABLE_AGENTS",
            "ENVIRONMENT",
        ];
        if !UNASKED.contains(&name) {
            wanted.extend([
                "PUBLIC_ORIGIN",
                "DYNAMODB_TABLE_CREDENTIALS",
                "DYNAMODB_TABLE_PEOPLE",
                "DYNAMODB_TABLE_SESSIONS",
            ]);
        }
        if name == "auth" {
            wanted.extend(["GITHUB_CLIENT_ID", "GOOGLE_CLIENT_ID"]);
        } else if name == "relays" {
            wanted.push("DYNAMODB_TABLE_RELAYS");
        } else {
            wanted.push("DYNAMODB_TABLE_JOBS");
        }
        for variable in wanted {
            assert!(
                said.contains(variable),
                "{name}: {variable} is not in\n{said}"
            );
        }
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
}
