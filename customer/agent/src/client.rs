//! Calls to the control plane: bounded in time and size, and answered with what the caller must do.

use crate::config::{check_url, is_loopback};
use crate::error::Error;
use crate::trace::traceparent;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use wire::{
    AgentConfig, AgentId, ClaimRequest, ClaimResponse, CompleteRequest, CompleteResponse,
    HeartbeatRequest, HeartbeatResponse, JobId, JobResponse, ProblemDetails, RegisterRequest,
    RegisterResponse, StartRequest,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Nobody is asked to wait longer than this, whatever a `Retry-After` says.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Why a call was not answered as hoped, by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// No answer, or none that can be understood: try again later.
    #[error("{0}")]
    Unreachable(String),
    /// The control plane is busy or broken: try again, not before it asked for.
    #[error("status {status}")]
    Busy {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// The credential is not good: the session is over.
    #[error("the credential is refused (401)")]
    Unauthorized,
    /// It will not be granted however often it is asked for.
    #[error("status {status}: {detail}")]
    Refused { status: u16, detail: String },
}

impl CallError {
    /// What the control plane asked to wait, if it did.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            Self::Unreachable(_) | Self::Unauthorized | Self::Refused { .. } => None,
        }
    }

    /// Whether another try may go better.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. })
    }
}

/// The control plane's API as an agent uses it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// A client with connections of its own.
    pub(crate) fn new(url: &str, insecure_http: bool) -> Result<Self, Error> {
        let url = check_url(url, insecure_http)
            .map_err(|fault| Error::Config(vec![format!("url: {fault}")]))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hybrid-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(20))
            // A redirect would carry the credential to wherever it points.
            .redirect(reqwest::redirect::Policy::none());
        if url.scheme() == "http" {
            // No certificate is ever looked at, so that machines without any can use a control plane of their own.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Error::Client(chain(&error)))?;
        let base = base_of(&url);
        Ok(Self { base, http })
    }

    pub(crate) async fn register(
        &self,
        proof: &SecretString,
        request: &RegisterRequest,
    ) -> Result<RegisterResponse, CallError> {
        self.send(Method::POST, "/api/agents/register", proof, Some(request))
            .await
    }

    /// A heartbeat, with a time limit of its own: an answer that comes late renews little.
    pub(crate) async fn heartbeat(
        &self,
        token: &SecretString,
        agent: &AgentId,
        request: &HeartbeatRequest,
        limit: Duration,
    ) -> Result<HeartbeatResponse, CallError> {
        let path = format!("/api/agents/{agent}/heartbeat");
        let call = self
            .request(Method::POST, &path, token)
            .json(request)
            .timeout(limit);
        read(call).await
    }

    pub(crate) async fn agent_config(
        &self,
        token: &SecretString,
        agent: &AgentId,
    ) -> Result<AgentConfig, CallError> {
        let path = format!("/api/agents/{agent}/config");
        self.send(Method::GET, &path, token, None::<&()>).await
    }

    pub(crate) async fn deregister(
        &self,
        token: &SecretString,
        agent: &AgentId,
    ) -> Result<serde_json::Value, CallError> {
        let path = format!("/api/agents/{agent}/deregister");
        self.send(Method::POST, &path, token, None::<&()>).await
    }

    pub(crate) async fn claim(
        &self,
        token: &SecretString,
        request: &ClaimRequest,
    ) -> Result<ClaimResponse, CallError> {
        self.send(Method::POST, "/api/queue/claim", token, Some(request))
            .await
    }

    pub(crate) async fn start(
        &self,
        token: &SecretString,
        job: &JobId,
        request: &StartRequest,
    ) -> Result<JobResponse, CallError> {
        self.tell(job, "start", token, request).await
    }

    pub(crate) async fn complete(
        &self,
        token: &SecretString,
        job: &JobId,
        request: &CompleteRequest,
    ) -> Result<CompleteResponse, CallError> {
        self.tell(job, "complete", token, request).await
    }

    /// A call about a job, within the trace of all that are about it.
    async fn tell<T: DeserializeOwned>(
        &self,
        job: &JobId,
        what: &str,
        token: &SecretString,
        request: &impl Serialize,
    ) -> Result<T, CallError> {
        let path = format!("/api/queue/jobs/{job}/{what}");
        let call = self
            .request(Method::PATCH, &path, token)
            .header("traceparent", traceparent(job))
            .json(request);
        read(call).await
    }

    fn request(&self, method: Method, path: &str, token: &SecretString) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token.expose_secret())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: &SecretString,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let call = self.request(method, path, token);
        read(match body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
    }
}

/// The address that paths are appended to, the same for every spelling of it.
pub(crate) fn base_of(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

async fn read<T: DeserializeOwned>(call: RequestBuilder) -> Result<T, CallError> {
    let response = call
        .send()
        .await
        .map_err(|error| CallError::Unreachable(chain(&error.without_url())))?;
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = read_body(response).await?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| {
            CallError::Unreachable(format!(
                "status {status} with an answer that is not understood: {error}"
            ))
        });
    }
    Err(refusal(status, retry_after, &body))
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(piece)) if body.len() + piece.len() <= MAX_BODY_BYTES => {
                body.extend_from_slice(&piece);
            }
            Ok(Some(_)) => {
                return Err(CallError::Unreachable(format!(
                    "the answer has more than {MAX_BODY_BYTES} bytes"
                )));
            }
            Err(error) => return Err(CallError::Unreachable(chain(&error.without_url()))),
        }
    }
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> CallError {
    match status.as_u16() {
        401 => CallError::Unauthorized,
        // 408, 425 and 429 say "later"; everything from 500 on says that it is not the agent's fault.
        408 | 425 | 429 | 500.. => CallError::Busy {
            status: status.as_u16(),
            retry_after,
        },
        code => {
            let detail = match serde_json::from_slice::<ProblemDetails>(body) {
                Ok(problem) => format!("{} ({})", problem.detail, problem.code),
                Err(_) if status.is_redirection() => {
                    "a redirection, which is not followed; check the URL".to_owned()
                }
                Err(_) => "no reason given".to_owned(),
            };
            let detail = detail.chars().take(300).collect();
            CallError::Refused {
                status: code,
                detail,
            }
        }
    }
}

/// `Retry-After` in seconds; its other form, a date, is not used by the control plane.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = value.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(u64::from(seconds)).min(MAX_RETRY_AFTER))
}

/// An error with its causes: reqwest's own text is only "error sending request".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart_by_what_to_do() {
        let of = |code: u16| {
            refusal(
                StatusCode::from_u16(code).unwrap_or_default(),
                Some(Duration::from_secs(3)),
                b"{}",
            )
        };
        assert_eq!(of(401), CallError::Unauthorized);
        for code in [408, 425, 429, 500, 502, 503] {
            assert!(of(code).is_transient(), "{code}");
            assert_eq!(of(code).retry_after(), Some(Duration::from_secs(3)));
        }
        for code in [301, 400, 403, 404, 409, 410, 413, 422] {
            assert!(!of(code).is_transient(), "{code}");
        }
    }
}
