//! Whoever collects traces, on this machine.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Received = Arc<Mutex<Vec<Bytes>>>;

/// A collector that keeps what it is sent, until the test is over.
#[derive(Debug)]
pub(crate) struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub(crate) url: String,
    received: Received,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let received = Received::default();
        let app = Router::new()
            .route("/v1/traces", post(collect))
            .with_state(Arc::clone(&received));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, received }
    }

    /// Everything that it was sent, as it came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().concat()
    }

    /// The spans that it was sent.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap().clone();
        let requests = received
            .into_iter()
            .map(|bytes| ExportTraceServiceRequest::decode(bytes).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

async fn collect(State(received): State<Received>, body: Bytes) -> StatusCode {
    received.lock().unwrap().push(body);
    StatusCode::OK
}
