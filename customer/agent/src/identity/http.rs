//! Calls to a platform's own services: short, small, and never redirected.

use reqwest::{RequestBuilder, header::HeaderMap};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// No answer of a platform is larger.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Clients for platforms' services.
pub(super) struct Http {
    near: reqwest::Client,
    far: Option<reqwest::Client>,
}

impl Http {
    /// `needs_tls`: whether anything but this machine's surroundings is called. Without it no certificate is looked at, so
    /// that a machine without any can be an agent's.
    pub(super) fn new(needs_tls: bool) -> Result<Self, String> {
        let near = builder(Duration::from_secs(2), Duration::from_secs(5))
            .tls_certs_only([])
            // A proxy is no part of the machine, and must see nothing that is between the machine and its platform.
            .no_proxy();
        let far = needs_tls
            .then(|| builder(Duration::from_secs(5), Duration::from_secs(10)).build())
            .transpose();
        let text = |error: reqwest::Error| crate::client::chain(&error);
        Ok(Self {
            near: near.build().map_err(text)?,
            far: far.map_err(text)?,
        })
    }

    /// A client for services beside this machine, over plain HTTP.
    pub(super) fn near(&self) -> &reqwest::Client {
        &self.near
    }

    /// The client for an address: plain HTTP stays near.
    pub(super) fn for_address(&self, address: &str) -> &reqwest::Client {
        match &self.far {
            Some(far) if address.starts_with("https://") => far,
            Some(_) | None => &self.near,
        }
    }
}

fn builder(connect: Duration, all: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("hybrid-agent/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .timeout(all)
        // A redirect would carry credentials to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
}

/// Calls, and reads the answer of a success. `what` names the service in messages; an answer's body never gets into one.
pub(super) async fn call(
    what: &str,
    request: RequestBuilder,
) -> Result<(HeaderMap, String), String> {
    let (status, headers, body) = call_for_any(what, request).await?;
    if (200..300).contains(&status) {
        Ok((headers, body))
    } else {
        Err(format!("{what}: status {status}"))
    }
}

/// The same for any status.
pub(super) async fn call_for_any(
    what: &str,
    request: RequestBuilder,
) -> Result<(u16, HeaderMap, String), String> {
    let failed =
        |error: reqwest::Error| format!("{what}: {}", crate::client::chain(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(format!(
                "{what}: the answer has more than {MAX_BODY_BYTES} bytes"
            ));
        }
        body.extend_from_slice(&piece);
    }
    let body = String::from_utf8(body).map_err(|_| format!("{what}: the answer is no text"))?;
    Ok((status, headers, body))
}

/// Calls, and reads the JSON of a success.
pub(super) async fn call_json<T: DeserializeOwned>(
    what: &str,
    request: RequestBuilder,
) -> Result<T, String> {
    let (_, body) = call(what, request).await?;
    // What serde says quotes the answer.
    serde_json::from_str(&body).map_err(|_| format!("{what}: the answer is not what it should be"))
}
