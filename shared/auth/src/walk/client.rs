//! Calls of a walk, and answers that can be compared.

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
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

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body, without the id of the request in it.
    pub(super) text: String,
}

impl Answer {
    /// Whether a caller could not tell the two apart.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.status == other.status && self.text == other.text && self.headers == other.headers
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
        let mut request = Request::builder()
            .method(target.method)
            .uri(fill(target.path, name))
            .header("x-request-id", REQUEST_ID);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let body = match &target.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
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
