//! Calls to vaults and to what hands out tokens for them: short, small, and never redirected.

use super::VaultError;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// For how long a call may go on.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// No answer is larger.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Clients for vaults.
#[derive(Debug)]
pub(super) struct Http {
    near: reqwest::Client,
    far: reqwest::Client,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl Http {
    /// # Errors
    /// Why no secure connection can be made from this machine.
    pub(super) fn new() -> Result<Self, String> {
        let near = builder()
            .tls_certs_only([])
            // A proxy is no part of the machine, and must see nothing that is between the machine and its platform.
            .no_proxy();
        let text = |error: reqwest::Error| format!("no client for vaults can be made: {error}");
        Ok(Self {
            near: near.build().map_err(text)?,
            far: builder().build().map_err(text)?,
        })
    }

    /// A client for services beside this machine, over plain HTTP.
    pub(super) fn near(&self) -> &reqwest::Client {
        &self.near
    }

    /// The client for an address: plain HTTP stays near.
    pub(super) fn for_address(&self, address: &str) -> &reqwest::Client {
        if address.starts_with("https://") {
            &self.far
        } else {
            &self.near
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("hybrid-relay/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        // A redirect would carry the token to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
}

/// Calls. `what` names the service in messages; nothing of the request or the answer gets into one.
pub(super) async fn call(what: &str, request: RequestBuilder) -> Result<Answer, VaultError> {
    let mut response = request.send().await.map_err(|error| failed(what, &error))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Zeroizing::new(Vec::new());
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| failed(what, &error))?
    {
        if body.len() + piece.len() > MAX_BYTES {
            let why = format!("{what}: the answer has more than {MAX_BYTES} bytes");
            return Err(VaultError::Malformed(why));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// What failed below HTTP, in a word: the error's own text has the address in it.
fn failed(what: &str, error: &reqwest::Error) -> VaultError {
    let why = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the answer could not be read"
    };
    VaultError::Unreachable(format!("{what}: {why}"))
}

impl Answer {
    /// The body of a success.
    pub(super) fn success<T: DeserializeOwned>(&self, what: &str) -> Result<T, VaultError> {
        if (200..300).contains(&self.status) {
            self.json(what)
        } else {
            Err(self.fault(what))
        }
    }

    /// The body, whatever the status.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, VaultError> {
        // What serde says quotes the answer.
        serde_json::from_slice(&self.body).map_err(|_| {
            VaultError::Malformed(format!(
                "{what}: status {}, and no answer that it should give",
                self.status
            ))
        })
    }

    /// What a status means where the service says nothing more exact.
    pub(super) fn fault(&self, what: &str) -> VaultError {
        let why = format!("{what}: status {}", self.status);
        match self.status {
            401 | 403 => VaultError::Denied(why),
            404 | 410 => VaultError::Missing(why),
            408 | 412 | 425 | 429 | 472.. => VaultError::Unreachable(why),
            _ => VaultError::Malformed(why),
        }
    }
}
