//! What a deployment tells of itself: the functions' binaries with their log lines, metrics and traces, and the metrics of
//! `hybrid-local`.

use crate::harness::{Collector, Credentials, Function, Plane, SOON, project_root, served, until};
use embedded_dynamodb::Engine;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::{Store, Tables};
use telemetry::{METRICS, Meter, OTLP_ENDPOINT};
use web::{Clock, Entropy};

/// The id that the runtime API gives every invocation.
const INVOCATION: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// The trace of the sample events, as X-Ray names it there.
const XRAY: &str = "67c0a1b20a1b2c3d4e5f60718293a4b5";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A function that exports its traces, and a token for it.
struct World {
    function: Function,
    collector: Collector,
    token: String,
}

impl World {
    async fn start(name: &str, more: &[(&str, &str)]) -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let api = auth::Api {
            entropy: Entropy::system(),
            ..auth::Api::testing(store, Clock::system())
        };
        let token = Credentials::create(&api, "acme").await.api_token;
        let url = served(engine).await;
        let collector = Collector::start().await;
        let mut variables = vec![(OTLP_ENDPOINT, collector.url.as_str())];
        variables.extend(more);
        let function = Function::start_with(name, &url, &variables).await;
        Self {
            function,
            collector,
            token,
        }
    }

    /// The sample event of that name with other headers.
    fn sample(&self, name: &str, headers: &[(&str, &str)]) -> Value {
        let mut event = sample(name);
        event["headers"]["authorization"] = json!(format!("Bearer {}", self.token));
        for (header, value) in headers {
            event["headers"][*header] = json!(value);
        }
        event
    }

    /// Its lines so far. Each is an object, and only a metric's has objects in it.
    fn lines(&self) -> Vec<Value> {
        let said = self.function.stdout();
        said.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let members = line.as_object().unwrap();
                let is_metric = members.contains_key("_aws");
                let has_objects = members.values().any(Value::is_object);
                assert_eq!(is_metric, has_objects, "{line}");
                line
            })
            .collect()
    }

    fn logged(&self, message: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["message"] == message);
        lines
    }
}

fn sample(name: &str) -> Value {
    let path = project_root().join("events").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[tokio::test]
async fn a_function_says_of_each_request_which_it_was_and_how_it_went() {
    let mut world = World::start("queue", &[]).await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let enqueue = world.sample("queue-enqueue", &[("traceparent", &parent)]);
    let answer = world.function.answer(&enqueue).await;
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let carried = answer["headers"]["traceparent"].as_str().unwrap();
    assert!(carried.starts_with(&format!("00-{TRACE}-")) && carried != parent);
    let list = world.sample("queue-list", &[("traceparent", "junk")]);
    assert_eq!(world.function.answer(&list).await["statusCode"], 200);
    let stranger = world.sample("queue-list", &[("authorization", "Bearer junk")]);
    assert_eq!(world.function.answer(&stranger).await["statusCode"], 401);

    let [enqueued, listed, refused] = world.logged("served").try_into().unwrap();
    for line in [&enqueued, &listed, &refused] {
        assert_eq!(line["request_id"], INVOCATION);
        assert_eq!(line["function"], "queue");
        assert_eq!(line["function_version"], "1");
        assert_eq!(line["level"], "INFO");
    }
    assert_eq!(enqueued["trace_id"], TRACE);
    assert_eq!(enqueued["span_id"], carried[36..52]);
    assert_eq!(enqueued["tenant_id"], "acme");
    assert_eq!(enqueued["operation"], "enqueue_job");
    assert_eq!(
        (&enqueued["status"], &enqueued["cold_start"]),
        (&json!(201), &json!(true))
    );
    assert!(enqueued["duration_ms"].is_u64(), "{enqueued}");
    // What is malformed is as good as nothing: neither it nor X-Ray's goes on.
    let begun = listed["trace_id"].as_str().unwrap();
    assert!(
        begun.len() == 32 && begun != TRACE && begun != XRAY,
        "{begun}"
    );
    assert_eq!(listed["cold_start"], false);
    assert_eq!(refused["trace_id"], XRAY);
    assert_eq!(refused["code"], "unauthenticated");
    assert_eq!(refused.get("tenant_id"), None);
}

#[tokio::test]
async fn a_function_publishes_how_long_its_operations_take_and_what_they_consume() {
    let mut world = World::start("queue", &[]).await;
    for _ in 0..101 {
        let list = world.sample("queue-list", &[]);
        assert_eq!(world.function.answer(&list).await["statusCode"], 200);
    }
    let mut metrics = world.lines();
    metrics.retain(|line| line["_aws"].is_object());
    for line in &metrics {
        let about = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(about["Namespace"], "HybridCiCd");
        assert_eq!(about["Dimensions"], json!([["environment", "operation"]]));
        assert_eq!(line["environment"], "test");
    }
    let consumed = metrics
        .iter()
        .any(|line| line["capacity/read_units"].is_number());
    assert!(consumed, "{metrics:?}");
    // The first at once, the next hundred when there are a hundred of them.
    metrics.retain(|line| line["operation"] == "list_jobs");
    let durations = |line: &Value| line["requests/duration_ms"].as_array().map(Vec::len);
    let durations: Vec<_> = metrics.iter().filter_map(durations).collect();
    assert_eq!(durations, [1, 100]);
    let counts = metrics
        .iter()
        .filter_map(|line| line["requests/2xx"].as_f64());
    assert!((counts.sum::<f64>() - 101.0).abs() < 1e-9);
}

#[tokio::test]
async fn spans_are_with_the_collector_when_the_answer_is_there() {
    let mut world = World::start("queue", &[("LOG_LEVEL", "off")]).await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let enqueue = world.sample("queue-enqueue", &[("traceparent", &parent)]);
    let answer = world.function.answer(&enqueue).await;
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let spans = world.collector.spans();
    let request = spans
        .iter()
        .find(|span| span.name == "POST /api/queue/jobs");
    let request = request.unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(hex(&request.parent_span_id), parent[36..52]);
    let carried = answer["headers"]["traceparent"].as_str().unwrap();
    assert_eq!(hex(&request.span_id), carried[36..52]);
    let calls: Vec<_> = spans.iter().filter(|span| *span != request).collect();
    assert!(!calls.is_empty(), "{spans:?}");
    for call in calls {
        assert!(call.name.starts_with("DynamoDB."), "{call:?}");
        assert_eq!(call.parent_span_id, request.span_id, "{call:?}");
        assert_eq!(hex(&call.trace_id), TRACE);
    }
    // Traces have nothing to do with the level of the log.
    assert_eq!(world.logged("served"), Vec::<Value>::new());
    let unsampled = parent.replace("-01", "-00");
    let list = world.sample("queue-list", &[("traceparent", &unsampled)]);
    assert_eq!(world.function.answer(&list).await["statusCode"], 200);
    assert_eq!(world.collector.spans().len(), spans.len());
}

#[tokio::test]
async fn maintenance_says_which_invocation_it_was_and_what_it_did() {
    let mut world = World::start("maintenance", &[]).await;
    let event = sample("maintenance-scheduled");
    for _ in 0..2 {
        // So little time that there is one pass of each.
        let done = world.function.outcome_within(&event, Duration::ZERO).await;
        assert_eq!(done.unwrap()["sweeps"]["passes"], 1);
    }
    let [first, second] = world.logged("maintenance done").try_into().unwrap();
    assert_eq!(
        (&first["cold_start"], &second["cold_start"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(first["request_id"], INVOCATION);
    assert_ne!(first["trace_id"], second["trace_id"]);
    let spans = world.collector.spans();
    let in_first = |name: &str| {
        let found = spans
            .iter()
            .find(|span| span.name == name && first["trace_id"] == hex(&span.trace_id));
        found.unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let invocation = in_first("invocation");
    for pass in ["sweep", "roll-up"] {
        assert_eq!(in_first(pass).parent_span_id, invocation.span_id, "{pass}");
    }
    let metrics: BTreeSet<_> = world
        .lines()
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|line| line.keys().cloned().collect::<Vec<_>>())
        .collect();
    for name in [
        "queue/avg_wait_ms",
        "queue/failure_rate",
        "jobs/throughput",
        "deployments/active",
    ] {
        assert!(metrics.contains(name), "{metrics:?}");
    }
}

#[tokio::test]
async fn a_collector_without_a_good_address_is_a_fault_of_the_configuration() {
    for name in ["queue", "maintenance"] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = crate::harness::bare(name);
        command.env(OTLP_ENDPOINT, "localhost:4318");
        let mut function = crate::harness::Program::start(name, &mut command, directory.path());
        assert_ne!(function.exit_code(SOON).await, 0, "{name}");
        let said = function.stdout();
        assert!(said.contains(OTLP_ENDPOINT), "{name}: {said}");
    }
}

#[test]
fn alarms_and_the_dashboard_look_at_metrics_that_there_are() {
    let groups: BTreeSet<_> = METRICS
        .iter()
        .filter_map(|metric| metric.name.split('/').next())
        .collect();
    for file in ["alarms.json", "dashboard.json"] {
        let text = std::fs::read_to_string(project_root().join("terraform").join(file)).unwrap();
        let in_name = |letter: char| letter.is_ascii_alphanumeric() || "_/".contains(letter);
        let named: BTreeSet<_> = text
            .split(|letter| !in_name(letter))
            .filter(|word| {
                let group = word.split_once('/').map(|(group, _)| group);
                group.is_some_and(|group| groups.contains(group))
            })
            .collect();
        assert!(named.len() >= 3, "{file}: {named:?}");
        for name in named {
            let known = METRICS.iter().any(|metric| metric.name == name);
            assert!(known, "{file}: {name}");
        }
    }
}

/// A sample of the text that Prometheus reads: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// What Prometheus makes of the text, which has to be just as the format has it.
fn parsed(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n'));
    let mut kinds = BTreeMap::new();
    let mut closed = BTreeSet::new();
    let mut open = String::new();
    let mut samples: Vec<Sample> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, meaning) = help.split_once(' ').unwrap();
            assert!(!meaning.is_empty(), "{line}");
            // What is said of a metric stands together, and begins with what it means.
            assert!(closed.insert(name.to_owned()), "{line}");
            name.clone_into(&mut open);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, open, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            kinds.insert(name.to_owned(), kind.to_owned());
        } else {
            let (name, labels, value) = sample_of(line);
            let family = match kinds[&open].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|ending| name.strip_suffix(ending))
                    .unwrap_or_else(|| panic!("{line}")),
                "counter" => {
                    assert!(name.ends_with("_total") && value >= 0.0, "{line}");
                    &name
                }
                _ => &name,
            };
            assert_eq!(family, open, "{line}");
            let is_twice = samples
                .iter()
                .any(|(other, theirs, _)| *other == name && *theirs == labels);
            assert!(!is_twice, "{line}");
            samples.push((name, labels, value));
        }
    }
    samples
}

fn sample_of(line: &str) -> Sample {
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        bytes.next().is_some_and(first) && bytes.all(|byte| first(byte) || byte.is_ascii_digit())
    };
    let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
    let (inside, value) = rest.rsplit_once("} ").unwrap_or_else(|| panic!("{line}"));
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    // No value of this test has a comma or a quotation mark in it.
    for label in inside.split(',') {
        let (label, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        assert!(is_name(label), "{line}");
        let before = labels.insert(label.to_owned(), value.unwrap().to_owned());
        assert_eq!(before, None, "{line}");
    }
    (name.to_owned(), labels, value.parse().unwrap())
}

/// The value of the sample with that name and that label.
fn value_of(samples: &[Sample], name: &str, (label, value): (&str, &str)) -> Option<f64> {
    let mut found = samples.iter().filter(|(known, labels, _)| {
        known == name && labels.get(label).is_some_and(|known| known == value)
    });
    found.next().map(|(_, _, value)| *value)
}

#[tokio::test]
async fn prometheus_can_read_the_metrics_of_hybrid_local() {
    let plane = Plane::in_memory().await;
    let api = plane.api();
    let job = json!({
        "job_type": "build", "pool_name": "default", "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    });
    api.enqueue(&job).await;
    assert_eq!(
        api.with_token("junk").get("/api/queue/jobs").await.status,
        401
    );
    let scrape = async || {
        let answer = reqwest::get(format!("{}/metrics", plane.url()))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        parsed(&answer.text().await.unwrap())
    };
    let samples = until("a roll-up with the job", SOON, async || {
        let samples = scrape().await;
        let depth = value_of(&samples, "hybrid_ci_queue_depth", ("pool", "default"));
        (depth == Some(1.0)).then_some(samples)
    })
    .await;
    for (name, label, expected) in [
        (
            "hybrid_ci_requests_total",
            ("operation", "enqueue_job"),
            1.0,
        ),
        (
            "hybrid_ci_requests_duration_ms_count",
            ("operation", "enqueue_job"),
            1.0,
        ),
        (
            "hybrid_ci_requests_duration_ms_count",
            ("operation", "list_jobs"),
            1.0,
        ),
        ("hybrid_ci_requests_duration_ms_bucket", ("le", "+Inf"), 1.0),
        ("hybrid_ci_agents_healthy", ("pool", "default"), 0.0),
        (
            "hybrid_ci_jobs_throughput_total",
            ("environment", "test"),
            0.0,
        ),
        ("hybrid_ci_deployments_active", ("environment", "test"), 0.0),
    ] {
        let value = value_of(&samples, name, label);
        assert!(
            value.is_some_and(|value| value >= expected),
            "{name}: {value:?}"
        );
    }
    let written = value_of(
        &samples,
        "hybrid_ci_capacity_write_units_total",
        ("operation", "enqueue_job"),
    );
    assert!(written.is_some_and(|units| units > 0.0), "{samples:?}");
    // Every series is of a place, a pool or an operation: there are never many.
    assert!(samples.len() < 2_000, "{}", samples.len());
}
