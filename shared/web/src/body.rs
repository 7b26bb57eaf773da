//! JSON bodies: limited, typed, checked, and every fault with its place.

use crate::pointer::fault;
use crate::{Problem, ProblemCode};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use std::error::Error;
use wire::{Check, Fault};

/// How many bytes a body may have.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A JSON body. More than 64 KiB is 413, another content type 415; malformed JSON, a wrong type, an unknown field and
/// whatever [`Check`] finds are 400 with pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiJson<T>(pub T);

/// As [`ApiJson`], for operations whose fields are all optional: no body at all is `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiJsonOrEmpty<T>(pub T);

impl<T: DeserializeOwned + Check, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (headers, body) = read(request).await?;
        check_content_type(&headers)?;
        parse(&body).map(Self)
    }
}

impl<T: DeserializeOwned + Check, S: Send + Sync> FromRequest<S> for ApiJsonOrEmpty<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (headers, body) = read(request).await?;
        if body.is_empty() {
            return parse(b"{}").map(Self);
        }
        check_content_type(&headers)?;
        parse(&body).map(Self)
    }
}

async fn read(request: Request) -> Result<(HeaderMap, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    // Refused by its own word, before a byte of it is read.
    if announced.is_some_and(|length| length > BODY_LIMIT as u64) {
        return Err(Problem::too_large());
    }
    match axum::body::to_bytes(body, BODY_LIMIT).await {
        Ok(body) => Ok((parts.headers, body)),
        Err(error)
            if error
                .source()
                .is_some_and(<dyn Error>::is::<LengthLimitError>) =>
        {
            Err(Problem::too_large())
        }
        Err(_) => Err(Problem::invalid_at(
            "",
            "the body ended before it was whole",
        )),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase());
    match kind {
        Some(kind)
            if kind == "application/json"
                || (kind.starts_with("application/") && kind.ends_with("+json")) =>
        {
            Ok(())
        }
        Some(_) | None => Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "the body must be JSON, with `Content-Type: application/json`",
        )),
    }
}

/// Reads JSON with the same care as a body: for parts of a body that are answered one by one.
///
/// # Errors
/// As [`ApiJson`], with pointers from the root of this JSON.
pub fn parse_json<T: DeserializeOwned + Check>(json: &[u8]) -> Result<T, Problem> {
    parse(json)
}

fn parse<T: DeserializeOwned + Check>(body: &[u8]) -> Result<T, Problem> {
    // serde_json goes 128 levels deep and no further, so a deeply nested body is an error and not a full stack.
    let mut json = serde_json::Deserializer::from_slice(body);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let message = error.inner().to_string();
        if error.inner().is_data() {
            Problem::invalid(vec![fault("", error.path(), &message)])
        } else {
            malformed(&message)
        }
    })?;
    json.end().map_err(|error| malformed(&error.to_string()))?;
    let mut faults = Vec::new();
    value.check(&mut faults);
    if faults.is_empty() {
        Ok(value)
    } else {
        Err(Problem::invalid(faults))
    }
}

fn malformed(message: &str) -> Problem {
    Problem::with_errors(
        ProblemCode::MalformedJson,
        vec![Fault {
            pointer: String::new(),
            detail: message.to_owned(),
        }],
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use axum::body::Body;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        name: wire::PoolName,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[serde(rename = "a/b~c", default)]
        odd: u32,
    }

    impl Check for Order {
        fn check(&self, faults: &mut Vec<Fault>) {
            wire::check_range(faults, "/count", self.count, (0, 5));
            if self.lines.len() > 1 {
                faults.push(Fault {
                    pointer: "/lines".to_owned(),
                    detail: "at most 1".to_owned(),
                });
            }
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    impl Check for Nothing {}

    async fn order(kind: Option<&str>, body: impl Into<Body>) -> Result<Order, Problem> {
        let mut request = Request::builder();
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(body.into()).unwrap();
        ApiJson::from_request(request, &())
            .await
            .map(|ApiJson(order)| order)
    }

    async fn fault_of(body: &str) -> (ProblemCode, String, String) {
        let problem = order(Some("application/json"), body.to_owned())
            .await
            .unwrap_err();
        let first = problem.errors()[0].clone();
        (problem.code(), first.pointer, first.detail)
    }

    #[tokio::test]
    async fn every_fault_has_its_pointer() {
        for (body, pointer, says) in [
            (r#"{"count":1}"#, "/name", "missing field"),
            (r#"{"name":"a","extra":1}"#, "/extra", "unknown field"),
            (
                r#"{"name":"a","lines":[{"x/y":1}]}"#,
                "/lines/0/x~1y",
                "unknown field",
            ),
            (
                r#"{"name":"a","lines":[{"a/b~c":"1"}]}"#,
                "/lines/0/a~1b~0c",
                "invalid type",
            ),
            (r#"{"name":"Upper"}"#, "/name", "must be 1 to 64"),
            (r#"{"name":"a","count":-1}"#, "/count", "invalid value"),
            (r#"{"name":"a","count":1e300}"#, "/count", "invalid type"),
            (r#"{"name":"a","count":6}"#, "/count", "from 0 to 5"),
            (r#"{"name":"a","name":"b"}"#, "", "duplicate field"),
            ("[]", "", "invalid"),
            ("null", "", "invalid type"),
        ] {
            let (code, at, detail) = fault_of(body).await;
            assert_eq!(code, ProblemCode::InvalidRequest, "{body}");
            assert_eq!(at, pointer, "{body}: {detail}");
            assert!(detail.contains(says), "{body}: {detail}");
            assert!(!detail.contains(" at line "), "{detail}");
        }
    }

    #[tokio::test]
    async fn everything_that_a_check_finds_is_reported_at_once() {
        let body = r#"{"name":"a","count":9,"lines":[{},{}]}"#;
        let problem = order(Some("application/json"), body).await.unwrap_err();
        let pointers: Vec<_> = problem
            .errors()
            .iter()
            .map(|fault| fault.pointer.as_str())
            .collect();
        assert_eq!(pointers, ["/count", "/lines"]);
    }

    #[tokio::test]
    async fn what_is_not_json_is_malformed() {
        let bomb = format!("{{\"name\":{}", "[".repeat(60_000));
        let nested = format!("{{\"lines\":{}", "[{\"a\":".repeat(10_000));
        for body in ["", "{", "{]", "nope", "{\"name\":\"a\"} x"] {
            assert_eq!(fault_of(body).await.0, ProblemCode::MalformedJson, "{body}");
        }
        for body in [bomb, nested] {
            let problem = order(Some("application/json"), body).await.unwrap_err();
            assert_eq!(problem.status(), 400);
        }
        let latin = order(
            Some("application/json"),
            vec![b'{', b'"', 0xe9, b'"', b':', b'1', b'}'],
        )
        .await;
        assert_eq!(latin.unwrap_err().status(), 400);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_too_large_whether_it_says_so_or_not() {
        let exactly = format!(r#"{{"name":"a"{}}}"#, " ".repeat(BODY_LIMIT - 12));
        assert_eq!(exactly.len(), BODY_LIMIT);
        assert!(
            order(Some("application/json"), exactly.clone())
                .await
                .is_ok()
        );
        let over = order(Some("application/json"), format!("{exactly} ")).await;
        assert_eq!(over.unwrap_err().code(), ProblemCode::PayloadTooLarge);
        let request = Request::builder()
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, "70000")
            .body(Body::from("{}"))
            .unwrap();
        let announced = ApiJson::<Order>::from_request(request, &()).await;
        assert_eq!(announced.unwrap_err().code(), ProblemCode::PayloadTooLarge);
    }

    #[tokio::test]
    async fn only_json_is_read() {
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/merge-patch+json",
        ] {
            assert!(order(Some(kind), r#"{"name":"a"}"#).await.is_ok(), "{kind}");
        }
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
        ] {
            let refused = order(kind, r#"{"name":"a"}"#).await.unwrap_err();
            assert_eq!(
                refused.code(),
                ProblemCode::UnsupportedMediaType,
                "{kind:?}"
            );
        }
    }

    #[tokio::test]
    async fn no_body_is_an_empty_object_only_where_that_is_wanted() {
        let empty = || Request::builder().body(Body::empty()).unwrap();
        assert!(
            ApiJsonOrEmpty::<Nothing>::from_request(empty(), &())
                .await
                .is_ok()
        );
        assert!(
            ApiJson::<Nothing>::from_request(empty(), &())
                .await
                .is_err()
        );
        let missing = ApiJsonOrEmpty::<Order>::from_request(empty(), &())
            .await
            .unwrap_err();
        assert_eq!(missing.errors()[0].pointer, "/name");
    }

    #[tokio::test]
    async fn a_secret_in_the_wrong_place_is_not_repeated() {
        let secret = "4b825dc642cb6eb9a060e54bf8d69288fbee49040AZ";
        for (body, at, says) in [
            (
                format!(r#"{{"name":"a","count":"{secret}"}}"#),
                "/count",
                "invalid type: string, expected u32",
            ),
            (
                format!(r#"{{"name":"a","count":"\", expected {secret}"}}"#),
                "/count",
                "invalid type: string, expected u32",
            ),
            (
                format!(r#""{secret}""#),
                "",
                "invalid type: string, expected struct Order",
            ),
            (
                format!(r#"{{"name":"a","{secret}":1}}"#),
                "/...",
                "unknown field `...`, expected one of `name`, `count`, `lines`",
            ),
        ] {
            let (_, pointer, detail) = fault_of(&body).await;
            assert_eq!((pointer.as_str(), detail.as_str()), (at, says), "{body}");
        }
    }

    #[tokio::test]
    async fn a_long_message_is_cut() {
        let body = format!(r#"{{"name":"a","{}":1}}"#, "é".repeat(5000));
        let (_, pointer, detail) = fault_of(&body).await;
        assert!(pointer.len() < 1000 && detail.len() < 1000);
    }
}
