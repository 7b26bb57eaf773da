//! Somebody who calls the functions.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use web::ClientAddress;

/// A credential, and what it is shown to.
#[derive(Clone)]
pub(super) struct Caller {
    app: Router,
    headers: Vec<(String, String)>,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Null if it was not JSON.
    pub(super) json: Value,
}

impl Answer {
    /// A text in the answer, at that place.
    pub(super) fn text(&self, pointer: &str) -> String {
        text(&self.json, pointer)
    }
}

/// A text at that place.
pub(super) fn text(json: &Value, pointer: &str) -> String {
    let found = json.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {json}"))
        .to_owned()
}

impl Caller {
    /// Somebody without a credential.
    pub(super) fn nobody(app: &Router) -> Self {
        Self {
            app: app.clone(),
            headers: Vec::new(),
        }
    }

    /// Somebody with a bearer token.
    pub(super) fn new(app: &Router, token: &str) -> Self {
        Self::nobody(app).with("authorization", &format!("Bearer {token}"))
    }

    /// The same, calling elsewhere.
    pub(super) fn on(&self, app: &Router) -> Self {
        Self {
            app: app.clone(),
            ..self.clone()
        }
    }

    /// The same, with one more header.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.headers.push((name.to_owned(), value.to_owned()));
        with
    }

    /// The same without a credential.
    pub(super) fn without_headers(&self) -> Self {
        Self::nobody(&self.app)
    }

    /// Calls, whatever comes of it. A body that is null is none.
    pub(super) async fn send(&self, operation: &str, body: &Value) -> Answer {
        let (method, path) = operation.split_once(' ').unwrap();
        let address = ClientAddress::new([192, 0, 2, 1].into());
        let request = Request::builder().method(method).uri(path);
        let mut request = request.extension(address);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            let request = request.header("content-type", "application/json");
            request.body(Body::from(body.to_string()))
        };
        let response = self.app.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// Calls, and is answered so.
    pub(super) async fn expect(&self, status: u16, operation: &str, body: Value) -> Answer {
        let answer = self.send(operation, &body).await;
        assert_eq!(answer.status, status, "{operation}: {}", answer.json);
        answer
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.expect(200, &format!("GET {path}"), Value::Null).await
    }

    pub(super) async fn post(&self, status: u16, path: &str, body: Value) -> Answer {
        self.expect(status, &format!("POST {path}"), body).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.expect(204, &format!("DELETE {path}"), Value::Null)
            .await
    }

    /// All pages of a list, one entry at a time, up to a few.
    pub(super) async fn pages(&self, path: &str) {
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut cursor = String::new();
        for _ in 0..3 {
            let page = self.get(&format!("{path}{sign}limit=1{cursor}")).await;
            match page.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return,
            }
        }
    }
}
