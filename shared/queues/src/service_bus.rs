//! Azure Service Bus, by its REST API.

use crate::cloud::{Answer, CALL_TIMEOUT, Call, Tokens};
use crate::{Attributes, Message, Outgoing, QueueError, ServiceBusAddress};
use http::Method;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// The header with what Service Bus knows of a message.
const PROPERTIES: &str = "brokerproperties";

/// The shortest time that a call may wait for a message.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A lock that no message has.
const NO_LOCK: &str = "0/00000000-0000-0000-0000-000000000000";

/// A queue of Azure Service Bus.
#[derive(Debug, Clone)]
pub struct ServiceBus {
    tokens: Tokens,
    address: ServiceBusAddress,
}

/// What is received of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    message_id: String,
    label: Option<String>,
    #[serde(default)]
    delivery_count: u32,
    sequence_number: u64,
    lock_token: String,
}

/// What is sent of it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    message_id: &'a str,
    label: &'a str,
}

impl ServiceBus {
    pub(crate) fn new(tokens: Tokens, address: ServiceBusAddress) -> Self {
        Self { tokens, address }
    }

    /// Where it is.
    pub fn address(&self) -> &ServiceBusAddress {
        &self.address
    }

    /// A call receives one message. What has been received stays received when a later call fails.
    pub(crate) async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        let mut messages = Vec::new();
        // A server that takes its time with each keeps nobody for ten times as long.
        let until = Instant::now() + wait + CALL_TIMEOUT;
        while messages.len() < max && Instant::now() < until {
            let wait = if messages.is_empty() {
                wait
            } else {
                Duration::ZERO
            };
            match self.receive_one(wait.max(SHORTEST_WAIT)).await {
                Ok(Some(message)) => messages.push(message),
                Err(error) if messages.is_empty() => return Err(error),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(messages)
    }

    async fn receive_one(&self, wait: Duration) -> Result<Option<Message>, QueueError> {
        let url = self
            .address
            .url(&format!("messages/head?timeout={}", wait.as_secs()));
        let call = Call::new(Method::POST, url).waiting(wait);
        let answer = self.tokens.send(call).await?;
        match answer.status {
            201 => message_of(&answer).map(Some),
            204 => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        if !is_receipt(receipt) {
            return Err(QueueError::Refused("no receipt".to_owned()));
        }
        let url = self.address.url(&format!("messages/{receipt}"));
        let answer = self.tokens.send(Call::new(Method::DELETE, url)).await?;
        match answer.status {
            // It is gone, or was received again since.
            200 | 404 => Ok(()),
            _ => Err(error_of(&answer)),
        }
    }

    pub(crate) async fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        let properties = Sent {
            message_id: message.deduplication_id,
            label: message.subject,
        };
        let properties = serde_json::to_string(&properties)
            .map_err(|error| QueueError::Refused(error.to_string()))?;
        let call = Call::new(Method::POST, self.address.url("messages"))
            .header(PROPERTIES, &properties)?
            .body("application/json", message.body.to_owned());
        let answer = self.tokens.send(call).await?;
        match answer.status {
            201 => Ok(()),
            _ => Err(error_of(&answer)),
        }
    }

    /// Whether it answers. How many messages wait it says only to whoever may change it, which neither we nor a relay may.
    pub(crate) async fn attributes(&self) -> Result<Attributes, QueueError> {
        let answer = self.tokens.send_once(self.renewal()).await?;
        match answer.status {
            // Whoever may only send is not let in here, and needs no other token for it.
            200 | 404 | 401 | 403 => Ok(Attributes::default()),
            _ => Err(error_of(&answer)),
        }
    }

    pub(crate) async fn verify_access(&self) -> Result<(), QueueError> {
        let answer = self.tokens.send(self.renewal()).await?;
        match answer.status {
            200 | 404 => Ok(()),
            _ => Err(error_of(&answer)),
        }
    }

    /// Renews a lock that no message has: whoever may receive is told that there is none.
    fn renewal(&self) -> Call {
        let url = self.address.url(&format!("messages/{NO_LOCK}"));
        Call::new(Method::POST, url)
    }
}

fn message_of(answer: &Answer) -> Result<Message, QueueError> {
    let properties = answer.headers.get(PROPERTIES);
    let properties: Option<Received> =
        properties.and_then(|value| serde_json::from_slice(value.as_bytes()).ok());
    let nothing = || QueueError::Unreachable("a message without a lock".to_owned());
    let received = properties.ok_or_else(nothing)?;
    // Made of the two parts, never of the address that the answer names.
    let receipt = format!("{}/{}", received.sequence_number, received.lock_token);
    if !is_receipt(&receipt) {
        return Err(nothing());
    }
    Ok(Message {
        id: received.message_id,
        receipt,
        // One that was cut is longer than any of ours, and the reader sees that.
        body: String::from_utf8_lossy(&answer.body).into_owned(),
        subject: received.label.unwrap_or_default(),
        receive_count: received.delivery_count.max(1),
    })
}

/// `<sequence number>/<lock token>`.
fn is_receipt(text: &str) -> bool {
    text.split_once('/').is_some_and(|(number, token)| {
        (1..=20).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && token.len() == 36
            && token
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    })
}

fn error_of(answer: &Answer) -> QueueError {
    let text = format!("status {}", answer.status);
    match answer.status {
        401 | 403 => QueueError::Denied(text),
        404 | 410 => QueueError::Missing(text),
        408 | 429 | 500.. => QueueError::Unreachable(text),
        _ => QueueError::Refused(text),
    }
}
