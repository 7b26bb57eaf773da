//! Whoever owns the plane, and calls its API.

use anyhow::{Context, Result, bail};
use http::header::IF_MATCH;
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use wire::RelayId;
use wire::relay::{QueueReference, RoutingDocument};

/// How long one call may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The plane's owner.
#[derive(Debug)]
pub(crate) struct Owner {
    client: Client,
    url: String,
    token: SecretString,
}

/// A relay, as the plane knows it.
#[derive(Debug)]
pub(crate) struct KnownRelay {
    pub(crate) id: RelayId,
    pub(crate) inbound_queue: QueueReference,
    pub(crate) rules: RoutingDocument,
    /// Of the rules.
    pub(crate) version: u64,
}

impl Owner {
    pub(crate) fn new(url: String, token: SecretString) -> Result<Self> {
        let client = Client::builder().timeout(CALL_TIMEOUT).no_proxy().build();
        Ok(Self {
            client: client.context("cannot make an HTTP client")?,
            url,
            token,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The relay of that id, with its rules; `None` if there is none.
    pub(crate) async fn relay(&self, id: &RelayId) -> Result<Option<KnownRelay>> {
        let path = format!("/api/relays/{id}");
        let Some(found) = self.call(Method::GET, &path, None).await? else {
            return Ok(None);
        };
        let Some(routing) = self
            .call(Method::GET, &format!("{path}/routing"), None)
            .await?
        else {
            return Ok(None);
        };
        Ok(Some(KnownRelay {
            id: id.clone(),
            inbound_queue: part(&found, "/relay/inbound_queue")?,
            rules: part(&routing, "/routing")?,
            version: part(&routing, "/version")?,
        }))
    }

    /// Its id, and the token that it brings its key with.
    pub(crate) async fn register_relay(
        &self,
        events: &QueueReference,
        decisions: &QueueReference,
    ) -> Result<(RelayId, SecretString)> {
        let request =
            json!({ "name": "local", "inbound_queue": events, "decision_queue": decisions });
        let path = "/api/relays/register";
        let registered = self
            .call(Method::POST, path, Some((&request, None)))
            .await?;
        let registered = registered.unwrap_or_default();
        let token: String = part(&registered, "/enrolment_token")?;
        Ok((part(&registered, "/relay/relay_id")?, token.into()))
    }

    /// Writes rules over those of that version.
    pub(crate) async fn put_rules(
        &self,
        id: &RelayId,
        rules: &RoutingDocument,
        version: u64,
    ) -> Result<()> {
        let path = format!("/api/relays/{id}/routing");
        let rules = serde_json::to_value(rules)?;
        let written = self.call(Method::PUT, &path, Some((&rules, Some(version))));
        written.await?.context("the relay is gone").map(drop)
    }

    pub(crate) async fn delete_relay(&self, id: &RelayId) -> Result<()> {
        let path = format!("/api/relays/{id}");
        self.call(Method::DELETE, &path, None).await.map(drop)
    }

    /// What is answered; `None` if there is nothing of that name.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<(&Value, Option<u64>)>,
    ) -> Result<Option<Value>> {
        let call = self.client.request(method, format!("{}{path}", self.url));
        let mut call = call.bearer_auth(self.token.expose_secret());
        if let Some((body, version)) = body {
            call = call.json(body);
            if let Some(version) = version.filter(|version| *version > 0) {
                call = call.header(IF_MATCH, format!("\"{version}\""));
            }
        }
        let answer = call.send().await.context("the plane does not answer")?;
        let status = answer.status();
        let text = answer.text().await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{path} is answered {status}: {text}");
        }
        Ok(Some(serde_json::from_str(&text).unwrap_or_default()))
    }
}

fn part<T: DeserializeOwned>(answer: &Value, pointer: &str) -> Result<T> {
    let part = answer.pointer(pointer).cloned().unwrap_or_default();
    serde_json::from_value(part).with_context(|| format!("there is no {pointer} in {answer}"))
}
