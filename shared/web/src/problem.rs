//! Errors as RFC 9457 problem details: one closed list of codes, and the one type that handlers fail with.

use crate::context::request_id;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use std::fmt;
use wire::{Fault, ProblemDetails};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal, $meaning:literal;)+) => {
        /// What kind of problem it is: stable, for programs, and documented.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode {
            $(#[doc = $meaning] $variant),+
        }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands in an answer.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// The kind of problem in words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// When it is answered, and what to do then: a sentence for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request", BAD_REQUEST, "Invalid request",
        "The request is not what the operation takes; `errors` says what is wrong and where. Mend it before trying again.";
    MalformedJson = "malformed_json", BAD_REQUEST, "Malformed JSON",
        "The body is not JSON at all. Mend it before trying again.";
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "Invalid cursor",
        "The cursor belongs to another list, or to the same with other filters. Start from the first page.";
    RoleOpen = "role_open", BAD_REQUEST, "The role lets others in",
        "The role can be assumed without its ExternalId, or with a wrong one, so that anybody who knows of it could have it used. Make its trust policy ask for `sts:ExternalId`, then try again.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "No valid credential",
        "There is no credential, or it is malformed, unknown, revoked or expired. The answer does not tell which.";
    MissingScope = "missing_scope", FORBIDDEN, "Scope missing",
        "The credential is good and lacks the scope that `detail` names.";
    WrongPrincipal = "wrong_principal", FORBIDDEN, "Not for this kind of caller",
        "The credential is good and of a kind that may not do this, such as an API token that claims a job.";
    CrossSite = "cross_site", FORBIDDEN, "Not from our own pages",
        "A change with a browser's session must come from the control plane's own pages: with its own `Origin`, and as JSON or with the header `x-hcp-csrf: 1`.";
    NotFound = "not_found", NOT_FOUND, "Not found",
        "There is no such thing, or it is somebody else's. The answer does not tell which.";
    UnknownRoute = "unknown_route", NOT_FOUND, "No such route",
        "The path is none of the API's.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "The path is known and does not take this method; `Allow` lists those that it takes.";
    IllegalTransition = "illegal_transition", CONFLICT, "Not possible in this state",
        "The thing is in a state from which this is not possible. Read it again before deciding anew.";
    StaleAttempt = "stale_attempt", CONFLICT, "Not your attempt",
        "The attempt is not the job's present one, or not this agent's. Stop it and report nothing more of it.";
    IdempotencyConflict = "idempotency_conflict", CONFLICT, "Idempotency key used before",
        "The same `Idempotency-Key` came with another body before. Use a key for one request only.";
    Contended = "contended", CONFLICT, "Changed at the same time",
        "Others kept changing the thing meanwhile. Read it again and decide anew.";
    AlreadyExists = "already_exists", CONFLICT, "Exists already",
        "There is a thing by that name already.";
    RoleTaken = "role_taken", CONFLICT, "Another organisation's role",
        "The role belongs to another organisation here: a role belongs to the first that names it. Make one for this organisation alone.";
    QueueTaken = "queue_taken", CONFLICT, "Another organisation's queue",
        "Without a role, a queue belongs to the first organisation that names it. Make a queue for this organisation alone, or grant a role.";
    NotEmpty = "not_empty", CONFLICT, "Not empty",
        "The thing cannot be deleted while something belongs to it.";
    NotConfigured = "not_configured", CONFLICT, "Not set up",
        "The control plane is not set up for this; `detail` says what it lacks.";
    LastOwner = "last_owner", CONFLICT, "The last owner",
        "An organisation always has an owner. Make somebody else one before this one goes or is demoted.";
    AgentTerminated = "agent_terminated", CONFLICT, "Agent deregistered",
        "The agent was deregistered and does not come back. Register again.";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "Changed since it was read",
        "The thing is not of the version that `If-Match` names. Read it again, and make the change to what is there now.";
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "If-Match is missing",
        "The change would overwrite what is there. Read it, and send its `ETag` as `If-Match`.";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "Too large",
        "The body is larger than 64 KiB.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Not JSON",
        "The body's `Content-Type` is not `application/json`.";
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests",
        "The caller asks more often than it may. Try again after `Retry-After` seconds.";
    Busy = "busy", SERVICE_UNAVAILABLE, "Busy",
        "The control plane is busy. Try the same request again after `Retry-After` seconds.";
    ProviderUnavailable = "provider_unavailable", SERVICE_UNAVAILABLE, "Provider out of reach",
        "The identity provider that people sign in with does not answer. Nobody was signed in; begin anew after `Retry-After` seconds.";
    TimedOut = "timed_out", SERVICE_UNAVAILABLE, "Took too long",
        "The request was given up; it may have taken effect. Repeat it with the same `Idempotency-Key` after `Retry-After` seconds.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "A fault of the control plane, which its log describes under the id in `instance`.";
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request failed, as the caller is told. Nothing internal belongs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    errors: Vec<Fault>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of that kind, with what is wrong this time.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// 400: everything that is wrong with the request.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        Self::with_errors(ProblemCode::InvalidRequest, errors)
    }

    /// 400: the one thing that is wrong with the request. The pointer is RFC 6901 into the body, or `/query/<name>`,
    /// `/header/<name>`.
    pub fn invalid_at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Fault {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    pub(crate) fn with_errors(code: ProblemCode, errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            all => format!("{} things are wrong with the request", all.len()),
        };
        Self {
            errors,
            ..Self::new(code, detail)
        }
    }

    /// 401. The same whatever is wrong with the credential.
    pub fn unauthenticated() -> Self {
        Self::new(
            ProblemCode::Unauthenticated,
            "a valid credential is needed, as `Authorization: Bearer hcp_...`",
        )
    }

    /// 403: the credential lacks a scope.
    pub fn missing_scope(scope: &str) -> Self {
        Self::new(
            ProblemCode::MissingScope,
            format!("the credential lacks the scope `{scope}`"),
        )
    }

    /// 403: the credential is of a kind that may not do this.
    pub fn wrong_principal(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::WrongPrincipal, detail)
    }

    /// 403: a browser was made to send this by somebody else's page.
    pub fn cross_site() -> Self {
        Self::new(
            ProblemCode::CrossSite,
            "a change with a session cookie needs our own `Origin`, and JSON or the header `x-hcp-csrf: 1`",
        )
    }

    /// 404: there is no such thing, such as a `job`, or it is another tenant's.
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no such {what}"))
    }

    /// 409, or whatever status the code has.
    pub fn conflict(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::new(code, detail)
    }

    /// 413.
    pub fn too_large() -> Self {
        Self::new(
            ProblemCode::PayloadTooLarge,
            format!("the body may have {} bytes", crate::BODY_LIMIT),
        )
    }

    /// 429: not before that many seconds have passed.
    pub fn too_many(retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(
                ProblemCode::TooManyRequests,
                format!("try again in {retry_after_seconds} s"),
            )
        }
    }

    /// 503: not before that many seconds have passed.
    pub fn busy(retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(
                ProblemCode::Busy,
                format!("try again in {retry_after_seconds} s"),
            )
        }
    }

    /// 500, with a fixed text: what happened goes to the log before, never to the caller.
    pub fn internal() -> Self {
        Self::new(
            ProblemCode::Internal,
            "something went wrong here; the id in `instance` finds it in our log",
        )
    }

    /// The same, not to be tried again before that many seconds have passed.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    /// What kind of problem it is.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What the caller is told besides the kind.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Everything that is wrong with the request, for an invalid one.
    pub fn errors(&self) -> &[Fault] {
        &self.errors
    }

    /// The problem as it stands in an answer, with the id of the request that is being served.
    pub fn details(self) -> ProblemDetails {
        ProblemDetails {
            kind: format!("/problems/{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail,
            instance: request_id(),
            code: self.code.as_str().to_owned(),
            errors: self.errors,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        // Whoever is told to come back is told when.
        let retry_after = match code.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some(self.retry_after_seconds.unwrap_or(1))
            }
            _ => self.retry_after_seconds,
        };
        let body = serde_json::to_vec(&self.details()).unwrap_or_default();
        let mut response = (code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if code == ProblemCode::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(code);
        response
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use http_body_util::BodyExt;

    async fn body(response: Response) -> ProblemDetails {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_problem_is_problem_json_with_everything_that_is_wrong() {
        let response = Problem::invalid(vec![
            Fault {
                pointer: "/a".to_owned(),
                detail: "x".to_owned(),
            },
            Fault {
                pointer: "/b".to_owned(),
                detail: "y".to_owned(),
            },
        ])
        .into_response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let details = body(response).await;
        assert_eq!(details.kind, "/problems/invalid_request");
        assert_eq!(details.code, "invalid_request");
        assert_eq!(details.status, 400);
        assert_eq!(details.errors.len(), 2);
    }

    #[test]
    fn whoever_shall_come_back_is_told_when() {
        for (problem, seconds) in [
            (Problem::busy(1), "1"),
            (Problem::too_many(7), "7"),
            (Problem::new(ProblemCode::TimedOut, "x"), "1"),
        ] {
            assert_eq!(problem.into_response().headers()[RETRY_AFTER], seconds);
        }
        let response = Problem::unauthenticated().into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn codes_are_distinct_and_lower_snake_case() {
        let words: std::collections::BTreeSet<_> =
            ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ProblemCode::ALL.len());
        for word in words {
            assert!(
                word.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{word}"
            );
        }
    }
}
