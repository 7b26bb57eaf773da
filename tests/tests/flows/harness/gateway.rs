//! API Gateway, as far as functions can tell: an address, behind which requests become events for the binaries.

use crate::harness::Function;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use data_encoding::BASE64;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// The functions by how the paths begin that they serve.
type Behind = Vec<(&'static str, Mutex<Function>)>;

/// What stands before the functions. Each serves one request at a time, as a process of Lambda does.
pub(crate) struct Gateway {
    pub(crate) url: String,
    behind: Arc<Behind>,
}

impl Gateway {
    /// Has these functions serve what begins with these paths.
    pub(crate) async fn start(functions: Vec<(&'static str, Function)>) -> Self {
        let behind = functions.into_iter();
        let behind: Behind = behind
            .map(|(path, function)| (path, Mutex::new(function)))
            .collect();
        let behind = Arc::new(behind);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&behind));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, behind }
    }

    /// What all functions have written to their standard output.
    pub(crate) async fn stdout(&self) -> String {
        let mut said = String::new();
        for (_, function) in self.behind.iter() {
            said.push_str(&function.lock().await.stdout());
        }
        said
    }
}

async fn serve(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let path = request.uri().path();
    let Some((_, function)) = behind.iter().find(|(begin, _)| path.starts_with(begin)) else {
        let nobody = Response::builder().status(StatusCode::NOT_FOUND);
        return nobody.body(Body::empty()).unwrap();
    };
    let event = event_of(request).await;
    let answer = function.lock().await.answer(&event).await;
    response_of(&answer)
}

async fn event_of(request: Request) -> Value {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": headers_of(&parts.headers),
        "requestContext": {
            "accountId": "123456789012", "apiId": "0000000000", "domainName": "ci.example.com", "domainPrefix": "ci",
            "http": {
                "method": parts.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.10", "userAgent": "flows",
            },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
            "time": "27/Feb/2025:12:00:00 +0000", "timeEpoch": 1_740_657_600_000_u64,
        },
        "body": BASE64.encode(&body), "isBase64Encoded": true,
    })
}

/// Several values of a name stand in one text, as the gateway gives them.
fn headers_of(headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys();
    names
        .map(|name| {
            let values = headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            (name.to_string(), json!(values.join(",")))
        })
        .collect()
}

fn response_of(answer: &Value) -> Response {
    let status = u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap();
    let mut response = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().unwrap() {
        response = response.header(name, value.as_str().unwrap());
    }
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        BASE64.decode(text.as_bytes()).unwrap()
    } else {
        text.as_bytes().to_vec()
    };
    response.body(Body::from(body)).unwrap()
}
