//! Calls to the control plane: to enrol, to be heard of, to change keys. Bounded in time and size.

use crate::identity::Identity;
use data_encoding::HEXLOWER;
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::time::Duration;
use wire::relay::{
    EnrolRelayRequest, EnrolRelayResponse, RelayHeartbeatRequest, RelayHeartbeatResponse,
};
use wire::{
    ProblemDetails, SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP, SignedParts,
    Timestamp,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why a call was not answered as hoped, by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer, or none that can be understood, or one that says to come back: try again later.
    #[error("the control plane cannot be reached: {0}")]
    Unreachable(String),
    /// It will not be granted however often it is asked for.
    #[error("the control plane refuses it: {0}")]
    Refused(String),
}

/// The control plane's API, as a relay uses it.
#[derive(Debug, Clone)]
pub struct Plane {
    base: Url,
    http: reqwest::Client,
}

/// What makes a signed request unlike every other.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The time of signing.
    pub at: Timestamp,
    /// 16 random bytes.
    pub nonce: [u8; 16],
}

impl Plane {
    /// The control plane at that address.
    ///
    /// # Errors
    /// What is wrong with the address, or with this machine's certificates.
    pub fn new(url: &str, insecure_http: bool) -> Result<Self, String> {
        let base = check_url(url, insecure_http)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hybrid-relay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A redirect would carry the proof to wherever it points.
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // No certificate is ever looked at, so that machines without any can use a control plane of their own.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { base, http })
    }

    /// Brings the public key of a new relay, with the token that registering it gave. The same token and key may be brought
    /// again if the answer was lost.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn enrol(
        &self,
        token: &SecretString,
        public_key: String,
    ) -> Result<EnrolRelayResponse, CallError> {
        let url = self.address("/api/relays/enrol");
        let call = self
            .http
            .post(url)
            .bearer_auth(token.expose_secret().trim());
        read(call.json(&EnrolRelayRequest { public_key })).await
    }

    /// Says how the relay does.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn heartbeat(
        &self,
        identity: &Identity,
        request: &RelayHeartbeatRequest,
        stamp: &Stamp,
    ) -> Result<RelayHeartbeatResponse, CallError> {
        self.signed("/api/relays/heartbeat", identity, request, stamp)
            .await
    }

    /// Brings the public key that follows the one that signs this.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn rotate_key(
        &self,
        identity: &Identity,
        public_key: String,
        stamp: &Stamp,
    ) -> Result<EnrolRelayResponse, CallError> {
        let path = format!("/api/relays/{}/rotate-key", identity.relay_id());
        self.signed(&path, identity, &EnrolRelayRequest { public_key }, stamp)
            .await
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn signed<T: DeserializeOwned>(
        &self,
        path: &str,
        identity: &Identity,
        request: &impl Serialize,
        stamp: &Stamp,
    ) -> Result<T, CallError> {
        let url = self.address(path);
        let body =
            serde_json::to_vec(request).map_err(|error| CallError::Refused(error.to_string()))?;
        let timestamp = (stamp.at.as_millis() / 1000).to_string();
        let nonce = HEXLOWER.encode(&stamp.nonce);
        let parts = SignedParts {
            timestamp: &timestamp,
            nonce: &nonce,
            method: "POST",
            host: &host_of(&url),
            path: url.path(),
            query: "",
            body_sha256: &HEXLOWER.encode(&Sha256::digest(&body)),
        };
        let signature = identity.sign(parts.string_to_sign().as_bytes());
        let call = self
            .http
            .post(url.clone())
            .header(SIGNED_KEY_ID, identity.key_id().as_str())
            .header(SIGNED_TIMESTAMP, &timestamp)
            .header(SIGNED_NONCE, &nonce)
            .header(SIGNED_SIGNATURE, signature)
            .header("content-type", "application/json")
            .body(body);
        read(call).await
    }
}

/// The `Host` that is sent: with the port, unless it is the scheme's own.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Checks the control plane's address.
pub(crate) fn check_url(text: &str, insecure_http: bool) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|error| {
        format!("is no address ({error}); write it like https://ci.example.com")
    })?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("must begin with https:// or http:// and name a host".to_owned());
    }
    let has_more = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if has_more {
        return Err("must not have a user, a password, a query or a fragment".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) && !insecure_http {
        return Err("http:// to another machine can be read and changed on the way; use https://, or allow it".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

async fn read<T: DeserializeOwned>(call: RequestBuilder) -> Result<T, CallError> {
    let unreachable = |error: reqwest::Error| CallError::Unreachable(chain(&error.without_url()));
    let mut response = call.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = read_body(&mut response).await?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| {
            CallError::Unreachable(format!(
                "status {status} with an answer that is not understood: {error}"
            ))
        });
    }
    let why = match serde_json::from_slice::<ProblemDetails>(&body) {
        Ok(problem) => format!("status {}, {}", status.as_u16(), problem.code),
        Err(_) => format!("status {}", status.as_u16()),
    };
    // 408, 425 and 429 say "later"; everything from 500 on says that it is not the relay's fault.
    Err(match status.as_u16() {
        408 | 425 | 429 | 500.. => CallError::Unreachable(why),
        _ => CallError::Refused(why),
    })
}

async fn read_body(response: &mut Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(piece)) if body.len() + piece.len() <= MAX_ANSWER_BYTES => {
                body.extend_from_slice(&piece);
            }
            Ok(Some(_)) => {
                let why = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                return Err(CallError::Unreachable(why));
            }
            Err(error) => return Err(CallError::Unreachable(chain(&error.without_url()))),
        }
    }
}

/// An error with its causes: reqwest's own text is only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
