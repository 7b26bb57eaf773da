//! Why a webhook is refused: one reason, one status, one word in the log, and the same form of answer for all.

use crate::tool::Field;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use wire::{ProblemDetails, ToolName};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $detail:literal;)+) => {
        /// Why a webhook is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for logs and programs.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The status of the answer.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)+ }
            }
        }
    };
}

reasons! {
    /// The body is larger than what is read.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is larger than this relay reads.";
    /// No such path.
    UnknownPath = "unknown_path", NOT_FOUND, "There is nothing here.";
    /// The path is there, and the method is not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not have this method.";
    /// No tool file has that name.
    UnknownTool = "unknown_tool", NOT_FOUND, "This relay has no such tool.";
    /// As many webhooks are being served as there are places, or bytes for.
    TooBusy = "too_busy", SERVICE_UNAVAILABLE, "This relay is busy; send it again.";
    /// The body ended early.
    BodyIncomplete = "body_incomplete", BAD_REQUEST, "The body did not arrive as a whole.";
    /// The body took too long.
    BodyTooSlow = "body_too_slow", REQUEST_TIMEOUT, "The body did not arrive in time.";
    /// The tool has no secret, so nothing that it sends can be believed.
    NoSecret = "no_secret", SERVICE_UNAVAILABLE, "The tool has no secret, so nothing can be verified.";
    /// The vault does not give the secret.
    VaultUnavailable = "vault_unavailable", SERVICE_UNAVAILABLE, "The secret cannot be read, so nothing can be verified; send it again.";
    /// The secret has not the form that the tool's method needs.
    SecretMalformed = "secret_malformed", SERVICE_UNAVAILABLE, "The secret does not have the form that the tool needs.";
    /// There is no signature, or more than one where one belongs.
    SignatureMissing = "signature_missing", UNAUTHORIZED, "The webhook is not signed, or not readably.";
    /// The signature is not of this body and secret.
    SignatureWrong = "signature_wrong", UNAUTHORIZED, "The signature does not fit.";
    /// The signed time is too far from now.
    SignatureStale = "signature_stale", UNAUTHORIZED, "The webhook was signed too long ago, or by a wrong clock.";
    /// The body is not said to be of a type that the tool sends.
    ContentType = "content_type", UNSUPPORTED_MEDIA_TYPE, "The webhook must be sent as JSON, not compressed.";
    /// The body is not JSON.
    NotJson = "not_json", BAD_REQUEST, "The body is not JSON.";
    /// An object has a key twice: two readers could see two webhooks.
    DuplicateKey = "duplicate_key", BAD_REQUEST, "An object of the body has a key twice.";
    /// The body is nested too deeply.
    TooDeep = "too_deep", BAD_REQUEST, "The body is nested too deeply.";
    /// The body has too many values.
    TooManyNodes = "too_many_nodes", BAD_REQUEST, "The body has too many values.";
    /// A field that the event needs is not there, or is not what the contract allows.
    ContractBroken = "contract_broken", UNPROCESSABLE_ENTITY, "A field that the event needs is missing, or is not what the metadata contract allows.";
    /// The event is larger than a message may be.
    MessageTooLarge = "message_too_large", UNPROCESSABLE_ENTITY, "The event is larger than a message may be.";
    /// The relay's own key cannot be read.
    IdentityUnavailable = "identity_unavailable", SERVICE_UNAVAILABLE, "The relay cannot sign; send it again.";
    /// The queue does not take the message.
    QueueUnavailable = "queue_unavailable", SERVICE_UNAVAILABLE, "The queue does not take the event; send it again.";
}

impl Reason {
    /// After how many seconds to try again, where that may help.
    fn retry_after(self) -> Option<HeaderValue> {
        match self {
            Self::TooBusy => Some(HeaderValue::from_static("5")),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                Some(HeaderValue::from_static("30"))
            }
            _ => None,
        }
    }
}

/// A webhook that is refused, with what the log may say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) tool: Option<ToolName>,
    pub(crate) fields: Vec<Field>,
    pub(crate) cause: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn because(self, cause: &'static str) -> Self {
        Self {
            cause: Some(cause),
            ..self
        }
    }

    pub(crate) fn of(self, tool: &ToolName) -> Self {
        Self {
            tool: Some(tool.clone()),
            ..self
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            tool: None,
            fields: Vec::new(),
            cause: None,
        }
    }
}

/// The answer: the same form for every reason, and nothing of the request in it.
pub(crate) fn answer(reason: Reason, request: &str) -> Response {
    let status = reason.status();
    let problem = ProblemDetails {
        kind: format!("/problems/{}", reason.code()),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail: reason.detail().to_owned(),
        instance: request.to_owned(),
        code: reason.code().to_owned(),
        errors: Vec::new(),
    };
    let mut response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = reason.retry_after() {
        headers.insert(RETRY_AFTER, after);
    }
    response
}
