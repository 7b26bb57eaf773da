//! Spans are exported to a collector on this machine, which keeps what it is sent.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::{TraceContext, invocation};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const NOW: i64 = 1_700_000_000_000;

/// A collector, and what it was sent.
#[derive(Clone, Default)]
struct Fake {
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    calls: Arc<AtomicUsize>,
    /// What it answers; 0 is 200.
    status: Arc<AtomicU16>,
}

impl Fake {
    /// Starts it. The traces that go to it, from now on those of this thread.
    async fn start() -> (Self, Traces, DefaultGuard) {
        let fake = Self::default();
        let app = Router::new()
            .route("/v1/traces", post(collect))
            .with_state(fake.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let traces = traces_to(&endpoint).unwrap();
        let layer = traces.layer().unwrap();
        let guard = tracing_subscriber::registry().with(layer).set_default();
        (fake, traces, guard)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The spans that it has been sent.
    fn spans(&self) -> Vec<Span> {
        let requests = std::mem::take(&mut *self.received.lock().unwrap());
        let resources = requests.into_iter().flat_map(|all| all.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

async fn collect(State(fake): State<Fake>, headers: HeaderMap, body: Bytes) -> StatusCode {
    fake.calls.fetch_add(1, Ordering::SeqCst);
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let status = fake.status.load(Ordering::SeqCst);
    if status == 0 {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        fake.received.lock().unwrap().push(request);
    }
    StatusCode::from_u16(status.max(200)).unwrap()
}

fn traces_to(endpoint: &str) -> Result<Traces, String> {
    Traces::read(&|name| match name {
        OTLP_ENDPOINT => Some(endpoint.to_owned()),
        "ENVIRONMENT" => Some("test".to_owned()),
        "AWS_LAMBDA_FUNCTION_NAME" => Some("queue".to_owned()),
        _ => None,
    })
}

fn attributes(span: &Span) -> Vec<(String, String)> {
    let mut attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|pair| {
            let value = match pair.value.clone().unwrap().value.unwrap() {
                Value::StringValue(text) => text,
                Value::IntValue(number) => number.to_string(),
                Value::BoolValue(truth) => truth.to_string(),
                other => panic!("{other:?}"),
            };
            (pair.key.clone(), value)
        })
        .collect();
    attributes.sort();
    attributes
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

#[tokio::test]
async fn a_request_and_its_calls_are_exported_under_the_ids_of_its_trace() {
    let (fake, traces, _guard) = Fake::start().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::following(parent, [7; 24]).unwrap();
    invocation("r-1", &trace, true).in_scope(|| {
        tracing::debug_span!(target: "aws_sdk_dynamodb::operation::get_item", "DynamoDB.GetItem",
            "rpc.method" = "GetItem", "rpc.system" = "aws-api", secret = "canary")
        .in_scope(|| {
            tracing::error_span!(target: "hyper", "not ours").in_scope(|| {
                tracing::info!(target: "hyper", "an event");
            });
        });
        tracing::info!(target: "web::app", message = "served", method = "POST", route = "/api/x",
            status = 503_u16, code = "busy", body = "canary");
        tracing::info!(target: "web::app", message = "another", status = 1_u16);
    });
    traces.flush(NOW).await;
    let request = fake.received.lock().unwrap()[0].clone();
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let names = resource.attributes.iter().map(|pair| pair.key.as_str());
    let names: Vec<_> = names.collect();
    for name in ["service.name", "deployment.environment.name", "faas.name"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let [call, request] = fake.spans().try_into().unwrap();
    for span in [&call, &request] {
        assert_eq!(hex(&span.trace_id), parent[3..35]);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(request.name, "POST /api/x");
    assert_eq!(hex(&request.span_id), "07".repeat(8));
    assert_eq!(hex(&request.parent_span_id), parent[36..52]);
    assert_eq!(request.status.as_ref().unwrap().code, 2);
    let expected = [
        ("error.type", "busy"),
        ("faas.coldstart", "true"),
        ("faas.invocation_id", "r-1"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "503"),
        ("http.route", "/api/x"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(attributes(&request), expected);
    assert_eq!(call.name, "DynamoDB.GetItem");
    assert_eq!(call.parent_span_id, request.span_id);
    assert_eq!((request.kind, call.kind), (2, 3));
    assert_eq!(attributes(&call).len(), 2, "{call:?}");
}

#[tokio::test]
async fn a_trace_that_nobody_keeps_is_not_exported_and_neither_is_a_span_of_none() {
    let (fake, traces, _guard) = Fake::start().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let trace = TraceContext::following(parent, [7; 24]).unwrap();
    let call = || {
        tracing::debug_span!(target: "aws_sdk_dynamodb::operation", "DynamoDB.Query")
            .in_scope(|| ());
    };
    invocation("r-1", &trace, false).in_scope(call);
    call();
    traces.flush(NOW).await;
    assert_eq!(fake.calls(), 0);
}

fn request() {
    drop(invocation("r-1", &TraceContext::new([1; 24]), false));
}

#[tokio::test]
async fn a_collector_that_fails_is_asked_twice_and_then_left_alone() {
    let (fake, traces, _guard) = Fake::start().await;
    fake.status.store(500, Ordering::SeqCst);
    request();
    traces.flush(NOW).await;
    assert_eq!(fake.calls(), 2);
    fake.status.store(0, Ordering::SeqCst);
    request();
    traces.flush(NOW + 29_999).await;
    assert_eq!(fake.calls(), 2);
    traces.flush(NOW + 30_000).await;
    // What was to be exported when it failed is gone.
    assert_eq!((fake.calls(), fake.spans().len()), (3, 1));
    traces.flush(NOW + 30_000).await;
    assert_eq!(fake.calls(), 3);
}

#[tokio::test]
async fn spans_do_not_pile_up_where_nobody_takes_them() {
    let (fake, traces, _guard) = Fake::start().await;
    for _ in 0..MAX_WAITING + 5 {
        request();
    }
    traces.flush(NOW).await;
    assert_eq!(fake.spans().len(), MAX_WAITING);
    request();
    traces.flush(NOW).await;
    assert_eq!(fake.spans().len(), 1);
}

#[tokio::test]
async fn where_no_collector_listens_the_rest_goes_on() {
    // Nobody listens there any more.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let traces = traces_to(&endpoint).unwrap();
    let layer = traces.layer().unwrap();
    let _guard = tracing_subscriber::registry().with(layer).set_default();
    request();
    traces.flush(NOW).await;
    request();
    traces.flush(NOW).await;
}

#[tokio::test]
async fn without_an_address_nothing_is_kept() {
    let off = Traces::read(&|_| None).unwrap();
    assert!(!off.is_on());
    assert!(off.layer::<tracing_subscriber::Registry>().is_none());
    off.flush(NOW).await;
    let why = traces_to("http://key:secret@localhost").unwrap_err();
    assert_eq!(
        why,
        "OTEL_EXPORTER_OTLP_ENDPOINT must not hold a credential"
    );
}
