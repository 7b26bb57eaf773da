//! Calls of a walk, and answers that can be compared.

use super::relays::RelaySigner;
use crate::cookie;
use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// An operation and what to call it with.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) existing: &'a str,
    pub(super) unknown: &'a str,
    pub(super) body: Option<Value>,
}

/// What a call has besides the operation: a credential, and what a browser adds.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) authorization: Option<String>,
    pub(super) cookies: Vec<String>,
    pub(super) origin: Option<String>,
    /// The header that only scripts of our own pages send.
    pub(super) mark: Option<&'static str>,
    /// What the body says that it is, instead of JSON.
    pub(super) content_type: Option<&'static str>,
    /// What signs it.
    pub(super) signer: Option<RelaySigner>,
}

impl Sent {
    /// An `Authorization` header.
    pub(super) fn bearer(header: &str) -> Self {
        Self {
            authorization: Some(header.to_owned()),
            ..Self::default()
        }
    }

    /// A session cookie, sent by a script of a page from that origin.
    pub(super) fn cookie(text: &str, origin: &str) -> Self {
        Self {
            cookies: vec![format!("{}={text}", cookie::SESSION)],
            origin: Some(origin.to_owned()),
            mark: Some("1"),
            ..Self::default()
        }
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body, without the id of the request in it.
    pub(super) text: String,
}

impl Answer {
    /// Whether a caller could not tell the two apart, but for how much of its own limit is left and which trace it is.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let told = |answer: &Self| {
            let mut headers = answer.headers.clone();
            for name in [
                "ratelimit-limit",
                "ratelimit-remaining",
                "ratelimit-reset",
                "traceparent",
            ] {
                headers.remove(name);
            }
            headers
        };
        self.status == other.status && self.text == other.text && told(self) == told(other)
    }

    /// Whether the caller was let in to the handler.
    pub(super) fn let_in(&self) -> bool {
        !matches!(self.status, 401 | 403 | 429)
    }

    /// The answer with the name of the thing that was asked for taken out.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut headers = self.headers.clone();
        // As long as the name is.
        headers.remove(http::header::CONTENT_LENGTH);
        Self {
            status: self.status,
            headers,
            text: if name.is_empty() {
                self.text.clone()
            } else {
                self.text.replace(name, "")
            },
        }
    }
}

/// Calls the router without a network.
#[derive(Debug)]
pub(super) struct Client(Router);

/// The same for all calls, so that answers differ in nothing that does not matter.
const REQUEST_ID: &str = "walk";

impl Client {
    pub(super) fn new(app: Router) -> Self {
        Self(app)
    }

    /// Calls the operation on the thing of that name.
    pub(super) async fn call(
        &self,
        target: &Target<'_>,
        name: &str,
        authorization: Option<&str>,
    ) -> Answer {
        let sent = authorization.map(Sent::bearer).unwrap_or_default();
        self.send(target, name, &sent).await
    }

    /// The same, with whatever a browser adds.
    pub(super) async fn send(&self, target: &Target<'_>, name: &str, sent: &Sent) -> Answer {
        let path = fill(target.path, name);
        let text = target.body.as_ref().map(Value::to_string);
        let mut request = Request::builder()
            .method(target.method)
            .uri(&path)
            .header("x-request-id", REQUEST_ID);
        if let Some(value) = &sent.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        for cookie in &sent.cookies {
            request = request.header(COOKIE, cookie);
        }
        if let Some(origin) = &sent.origin {
            request = request.header(ORIGIN, origin);
        }
        if let Some(mark) = sent.mark {
            request = request.header("x-hcp-csrf", mark);
        }
        if let Some(signer) = &sent.signer {
            let body = text.as_deref().unwrap_or_default();
            for (name, value) in signer.headers(target.method, &path, body) {
                request = request.header(name, value);
            }
        }
        let body = match text {
            Some(text) => {
                let kind = sent.content_type.unwrap_or("application/json");
                request = request.header(CONTENT_TYPE, kind);
                Body::from(text)
            }
            None => Body::empty(),
        };
        let request = match request.body(body) {
            Ok(request) => request,
            Err(error) => {
                return Answer {
                    status: 0,
                    headers: HeaderMap::new(),
                    text: format!("the walk could not make the request: {error}"),
                };
            }
        };
        let response = match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let bytes = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

/// The path with its parameter filled in.
fn fill(path: &str, name: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(start), Some(end)) => format!("{}{name}{}", &path[..start], &path[end + 1..]),
        _ => path.to_owned(),
    }
}
