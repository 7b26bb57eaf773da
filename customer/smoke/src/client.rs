//! Calls to the control plane: bounded in time and size, repeated where that is harmless.

use crate::options::is_loopback;
use reqwest::{Method, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Mutex;
use std::time::Duration;
use wire::ProblemDetails;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than API Gateway waits for a function.
const CALL_TIMEOUT: Duration = Duration::from_secs(32);
const MAX_BODY_BYTES: usize = 1024 * 1024;
const MAX_DETAIL_CHARACTERS: usize = 300;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Whether a call may be made again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It has no more effect than once.
    Harmless,
    /// It might have one more.
    Never,
}

/// Why a call was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No answer, or one that says to try later.
    Later(String, Option<Duration>),
    /// It was refused, with this status and code.
    Refused {
        status: u16,
        code: String,
        text: String,
    },
    /// The answer is not what the control plane answers.
    NotUnderstood(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later(text, _) | Self::Refused { text, .. } | Self::NotUnderstood(text) => {
                f.write_str(text)
            }
        }
    }
}

impl From<CallError> for String {
    fn from(error: CallError) -> Self {
        error.to_string()
    }
}

impl CallError {
    /// Whether it was refused with this status.
    pub(crate) fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }

    /// Whether it was refused with this code.
    pub(crate) fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    credential: Option<&'a SecretString>,
    body: Option<Value>,
    key: Option<String>,
    repeat: Repeat,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: impl Into<String>, repeat: Repeat) -> Self {
        Self {
            method,
            path: path.into(),
            credential: None,
            body: None,
            key: None,
            repeat,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Repeat::Harmless)
    }

    pub(crate) fn post(path: impl Into<String>, repeat: Repeat) -> Self {
        Self::new(Method::POST, path, repeat)
    }

    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path, Repeat::Harmless)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Repeat::Harmless)
    }

    /// Who calls.
    pub(crate) fn by(mut self, credential: &'a SecretString) -> Self {
        self.credential = Some(credential);
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // What is sent are plain structs, which always are JSON.
        self.body = serde_json::to_value(body).ok();
        self
    }

    /// The `Idempotency-Key`, with which a second call makes no second thing.
    pub(crate) fn key(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }
}

/// The control plane.
#[derive(Debug)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
    note: Mutex<Option<String>>,
}

impl Client {
    pub(crate) fn new(url: &Url) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hybrid-smoke/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A redirect would carry the token to wherever it points.
            .redirect(reqwest::redirect::Policy::none());
        if url.scheme() == "http" {
            // No certificate is ever looked at, so that it works on machines without any.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {}", chain(&error)))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            http,
            note: Mutex::default(),
        })
    }

    /// Notes what is waited for, in case it does not come in time.
    pub(crate) fn note(&self, text: String) {
        if let Ok(mut note) = self.note.lock() {
            *note = Some(text);
        }
    }

    /// What was noted last since this was last asked.
    pub(crate) fn take_note(&self) -> Option<String> {
        self.note.lock().ok()?.take()
    }

    /// Calls until there is an answer that is final; whoever calls sets the limit of time.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let mut wait = FIRST_WAIT;
        loop {
            let (error, asked) = match self.try_once(&call).await {
                Err(CallError::Later(text, asked)) => (text, asked),
                Err(error) => return Err(error),
                Ok(body) => return understand(&call, &body),
            };
            if call.repeat == Repeat::Never {
                return Err(CallError::Later(error, asked));
            }
            self.note(error);
            tokio::time::sleep(asked.unwrap_or_default().clamp(wait, MAX_WAIT)).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
    }

    async fn try_once(&self, call: &Call<'_>) -> Result<Vec<u8>, CallError> {
        let mut request = self
            .http
            .request(call.method.clone(), format!("{}{}", self.base, call.path));
        if let Some(credential) = call.credential {
            request = request.bearer_auth(credential.expose_secret());
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        let unreachable = |error: reqwest::Error| {
            let why = chain(&error.without_url());
            CallError::Later(
                format!("{} {}: no answer: {why}", call.method, call.path),
                None,
            )
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > MAX_BODY_BYTES {
                let text = format!(
                    "{} {}: the answer has more than 1 MiB",
                    call.method, call.path
                );
                return Err(CallError::NotUnderstood(text));
            }
            body.extend_from_slice(&piece);
        }
        if response.status().is_success() {
            return Ok(body);
        }
        Err(refusal(call, &response, &body))
    }
}

fn understand<T: DeserializeOwned>(call: &Call<'_>, body: &[u8]) -> Result<T, CallError> {
    // 204 has no body, and whoever expects none takes `null`.
    let body = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let (method, path) = (&call.method, &call.path);
        CallError::NotUnderstood(format!(
            "{method} {path}: the answer is not a control plane's: {error}; check the URL"
        ))
    })
}

fn refusal(call: &Call<'_>, response: &Response, body: &[u8]) -> CallError {
    let status = response.status();
    let (code, why) = match serde_json::from_slice::<ProblemDetails>(body) {
        Ok(problem) => (
            problem.code,
            format!(": {} (request {})", problem.detail, problem.instance),
        ),
        Err(_) if status.is_redirection() => (
            String::new(),
            ": a redirection, which is not followed; check the URL".to_owned(),
        ),
        Err(_) => (String::new(), String::new()),
    };
    let why: String = why.chars().take(MAX_DETAIL_CHARACTERS).collect();
    let text = format!(
        "{} {}: status {}{why}",
        call.method,
        call.path,
        status.as_u16()
    );
    if is_passing(status) {
        return CallError::Later(text, retry_after(response));
    }
    CallError::Refused {
        status: status.as_u16(),
        code,
        text,
    }
}

/// Whether it may go better later: nothing is wrong with the request.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(
        value.trim().parse::<u32>().ok()?.into(),
    ))
}

/// An error with its causes: reqwest's own text is only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
