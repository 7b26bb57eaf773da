//! A control plane in a process of its own, whose logs are those of a function at the lowest level, and whose provider
//! tells what it has issued. The process is this very program, told to run one test.

use super::search::{Canary, Place};
use crate::compat::export;
use crate::harness::{Collector, KEY, Program, REGION, SOON, until};
use crate::hold;
use auth::{Api, Identities, KeyEncryption, Origin};
use auth_function::SignIn;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use embedded_dynamodb::Engine;
use http::HeaderMap;
use http::header::USER_AGENT;
use maintenance::Maintenance;
use oidc::{Network, Speaks};
use orchestrator::{Orchestrator, Parts};
use queues::Opener;
use relays::RoleGuard;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use std::{env, fs};
use store::{Store, TABLES, Tables};
use telemetry::{Meter, MetricSink, OTLP_ENDPOINT, Traces, start_logs_and_traces};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::interval;
use web::{Clock, Entropy, Operations};

/// The variable with the [`Settings`] of the process.
const SETTINGS: &str = "CANARY_PLANE";
/// The one test that it runs.
const ENTRY: &str = "canary::plane::the_process_that_the_other_tests_start";
/// What it says before the address where it listens.
const LISTENS: &str = "the plane listens on ";
const DATABASE: &str = "plane.db";
/// What agents and relays were answered.
const ANSWERS: &str = "answers";
/// How they call themselves.
const PROGRAMS: &[u8] = b"hybrid-";
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How often it does what is done without a request.
const TICK: Duration = Duration::from_secs(2);

pub(super) const CLIENT_ID: &str = "our-application";
pub(super) const ISSUER: &str = "https://idp.example.com";

/// The way to the handlers that do what no handler may.
pub(super) const PANICS: &str = "/canary/panic";
pub(super) const UNWRAPS: &str = "/canary/unwrap";
pub(super) const HAS_A_BUG: &str = "/canary/bug";
pub(super) const LEAKS: &str = "/canary/leak";

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    directory: PathBuf,
    provider: SocketAddr,
    /// The address of what plays AWS.
    cloud: String,
    client_secret: String,
    data_key: String,
}

/// A running plane.
#[derive(Debug)]
pub(super) struct Plane {
    program: Program,
    collector: Collector,
    directory: TempDir,
    pub(super) url: String,
    pub(super) canaries: Vec<Canary>,
}

impl Plane {
    pub(super) async fn start(provider: SocketAddr, cloud: &str, client_secret: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            directory: directory.path().to_owned(),
            provider,
            cloud: cloud.to_owned(),
            client_secret: client_secret.to_owned(),
            data_key: BASE64.encode(&Entropy::system().bytes::<32>()),
        };
        let canaries = vec![
            Canary::new("the secret of our application", client_secret),
            Canary::new("the data key", &settings.data_key),
        ];
        let collector = Collector::start().await;
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", ENTRY, "--ignored", "--nocapture"])
            .env(SETTINGS, serde_json::to_string(&settings).unwrap())
            .env(OTLP_ENDPOINT, &collector.url)
            .env(telemetry::LOG_LEVEL, "trace");
        let program = Program::start("plane", &mut command, directory.path());
        let url = until("the plane to listen", SOON, async || {
            let said = program.stdout();
            let (_, rest) = said.split_once(LISTENS)?;
            rest.split_once('\n').map(|(url, _)| url.to_owned())
        })
        .await;
        Self {
            program,
            collector,
            directory,
            url,
            canaries,
        }
    }

    /// Ends it. Everything that it has written: its output, its traces, the bytes of its database, and every item in it. And
    /// what of that nothing is said of in `docs/what-we-hold.md`.
    pub(super) async fn written(mut self) -> (Vec<Place>, Vec<String>) {
        self.program.kill();
        let mut places = vec![
            Place::new("its log", self.program.stdout()),
            Place::new("its standard error", self.program.stderr()),
            Place::new("its traces", self.collector.bytes()),
            Place::new(
                "answers to programs",
                fs::read(self.directory.path().join(ANSWERS)).unwrap_or_default(),
            ),
        ];
        let database = self.directory.path().join(DATABASE);
        for ending in ["", "-wal"] {
            let file = self.directory.path().join(format!("{DATABASE}{ending}"));
            // There is no second file if the first has it all.
            let bytes = fs::read(file).unwrap_or_default();
            places.push(Place::new(format!("the file {DATABASE}{ending}"), bytes));
        }
        places.extend(items(&database).await);
        let client = Engine::open(&database).unwrap().client();
        let unsaid = hold::unsaid(&export(&client).await);
        (places, unsaid)
    }
}

/// Every item of every table.
pub(super) async fn items(database: &Path) -> Vec<Place> {
    let client = Engine::open(database).unwrap().client();
    let mut places = Vec::new();
    for table in TABLES {
        let name = table.default_name;
        let scanned = client.scan().table_name(name).into_paginator().items();
        let items: Vec<_> = scanned.send().try_collect().await.unwrap();
        for item in items {
            let mut bytes = Vec::new();
            spell(&AttributeValue::M(item), &mut bytes);
            places.push(Place::new(format!("the table {name}"), bytes));
        }
    }
    places
}

/// Writes all that is in an attribute, names and all, so that each value stands by itself.
fn spell(value: &AttributeValue, into: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => into.extend(text.as_bytes()),
        AttributeValue::B(bytes) => into.extend(bytes.as_ref()),
        AttributeValue::M(members) => {
            for (name, member) in members {
                into.extend(name.as_bytes());
                into.push(b'\n');
                spell(member, into);
            }
        }
        AttributeValue::L(members) => members.iter().for_each(|member| spell(member, into)),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => {}
        other => into.extend(format!("{other:?}").as_bytes()),
    }
    into.push(b'\n');
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this module start it, in a process of its own"]
async fn the_process_that_the_other_tests_start() {
    let Ok(settings) = env::var(SETTINGS) else {
        return;
    };
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    let traces = Traces::read(&|name| env::var(name).ok()).unwrap();
    start_logs_and_traces("trace", &traces);
    let engine = Engine::open(settings.directory.join(DATABASE)).unwrap();
    let client = engine.client();
    let store = Store::new(client.clone(), Tables::default(), Meter::default());
    store.create_tables().await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = Origin::local(listener.local_addr().unwrap().port());
    println!("\n{LISTENS}{}", origin.as_str());
    let api = Api {
        origin,
        entropy: Entropy::system(),
        ..Api::testing(store, Clock::system())
    };
    let host = ISSUER.trim_start_matches("https://");
    let network = Network::with_hosts(&[(host, settings.provider)], Speaks::Plain);
    let sign_in = SignIn::read(&network, &|name| variable(&settings, name)).unwrap();
    let identities = Identities::new(network, KeyEncryption::parse(&settings.data_key).unwrap());
    let opener = Opener::of_function(&|name| of_aws(&settings, name)).unwrap();
    let guard = RoleGuard::new(opener.roles().clone());
    tokio::spawn(without_requests(api.clone(), opener));
    let routes = queue::routes(api.clone())
        .merge(relays::routes(api.clone(), guard))
        .merge(agents::routes(api.clone(), identities))
        .merge(auth_function::routes(api.clone(), sign_in))
        .merge(dashboard::routes(api));
    let (functions, document) = routes.into_parts();
    let operations = Operations::new(&document, MetricSink::stdout("test"));
    let requests = operations.metrics().clone();
    let app = web::app_with(functions.merge(sabotage(client)), operations);
    // As a function does before it gives its answer, and as if each were a minute after the one before.
    let minutes = Arc::new(AtomicI64::new(0));
    let app = app.layer(from_fn_with_state(settings.directory, keep_answers));
    let app = app.layer(from_fn(move |request: Request, next: Next| {
        let (requests, traces) = (requests.clone(), traces.clone());
        let at_ms = minutes.fetch_add(1, Ordering::Relaxed) * 60_000;
        async move {
            let response = next.run(request).await;
            requests.publish_due(at_ms);
            traces.flush(at_ms).await;
            response
        }
    }));
    axum::serve(listener, app).await.unwrap();
}

/// Keeps what agents and relays are answered: the tests see only what they ask for themselves.
async fn keep_answers(State(directory): State<PathBuf>, request: Request, next: Next) -> Response {
    let caller = request.headers().get(USER_AGENT);
    let is_program = caller.is_some_and(|caller| caller.as_bytes().starts_with(PROGRAMS));
    let response = next.run(request).await;
    if !is_program {
        return response;
    }
    let (head, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.unwrap();
    let shown = format!("{:?}\n", head.headers);
    let answer = [shown.as_bytes(), &body, b"\n"].concat();
    let mut file = File::options();
    let file = file.create(true).append(true).open(directory.join(ANSWERS));
    file.unwrap().write_all(&answer).unwrap();
    Response::from_parts(head, Body::from(body))
}

/// The orchestrator and maintenance, as their schedules would start them.
async fn without_requests(api: Api, opener: Opener) {
    let (clock, entropy) = (api.clock.clone(), api.entropy.clone());
    let now = Arc::new(move || clock.now());
    let random = Arc::new(move || entropy.bytes());
    let parts = Parts {
        store: api.store.clone(),
        opener,
        now: now.clone(),
        random: random.clone(),
        limits: api.limits,
    };
    let orchestrator = Orchestrator::new(parts).with_metrics(MetricSink::stdout("test"));
    let maintenance = Maintenance::new(api.store, now, random);
    let maintenance = maintenance.with_metrics(MetricSink::stdout("test"));
    let mut tick = interval(TICK);
    loop {
        tick.tick().await;
        orchestrator.poll_once().await;
        maintenance.run_once().await;
    }
}

fn of_aws(settings: &Settings, name: &str) -> Option<String> {
    Some(match name {
        "AWS_REGION" => REGION.to_owned(),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => KEY.to_owned(),
        "AWS_ENDPOINT_URL_SQS" | "AWS_ENDPOINT_URL_STS" => settings.cloud.clone(),
        _ => return None,
    })
}

fn variable(settings: &Settings, name: &str) -> Option<String> {
    Some(match name {
        "GITHUB_CLIENT_ID" | "GOOGLE_CLIENT_ID" => CLIENT_ID.to_owned(),
        "GITHUB_CLIENT_SECRET" | "GOOGLE_CLIENT_SECRET" => settings.client_secret.clone(),
        "GITHUB_AUTHORIZE_URL" | "GOOGLE_AUTHORIZE_URL" => format!("{ISSUER}/authorize"),
        "GITHUB_TOKEN_URL" => format!("{ISSUER}/github/token"),
        "GITHUB_API_URL" => format!("{ISSUER}/github"),
        "GOOGLE_ISSUER" => ISSUER.to_owned(),
        "GOOGLE_TOKEN_URL" => format!("{ISSUER}/google/token"),
        "GOOGLE_TOKENINFO_URL" => format!("{ISSUER}/google/tokeninfo"),
        "GOOGLE_USERINFO_URL" => format!("{ISSUER}/google/userinfo"),
        _ => return None,
    })
}

/// Handlers that die with everything that they were given on their lips, and one that leaks wherever it is told to.
fn sabotage(client: Client) -> Router {
    Router::new()
        .route(PANICS, post(panicking))
        .route(UNWRAPS, post(unwrapping))
        .route(HAS_A_BUG, post(buggy))
        .route(LEAKS, post(leak))
        .with_state(client)
}

async fn panicking(headers: HeaderMap, body: String) {
    panic!("{headers:?} {body}");
}

async fn unwrapping(headers: HeaderMap, body: String) {
    let failed: Result<(), _> = if body.is_empty() {
        Ok(())
    } else {
        Err((headers, body))
    };
    failed.unwrap();
}

async fn buggy(_body: String) {
    panic!("a bug of the program's own");
}

async fn leak(State(client): State<Client>, headers: HeaderMap) -> String {
    let told = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    if let Some(secret) = told("x-into-item") {
        let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).unwrap();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let deep = AttributeValue::L(vec![AttributeValue::B(secret.into())]);
        let put = client.put_item().table_name(TABLES[0].default_name);
        let put = put.item("pk", text("leak")).item("sk", text("leak"));
        put.item("deep", deep).send().await.unwrap();
    }
    if let Some(secret) = told("x-into-log") {
        tracing::debug!(secret, "a leak");
    }
    if let Some(secret) = told("x-into-trace") {
        tracing::Span::current().record("tenant_id", secret);
    }
    told("x-into-answer").unwrap_or_default().to_owned()
}
