//! Google Cloud Pub/Sub, by its REST API. What is received comes back when its acknowledgement deadline passes.

use crate::cloud::{Answer, Call, Tokens};
use crate::{Attributes, Message, Outgoing, PubSubAddress, QueueError};
use data_encoding::BASE64;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// How much is kept of an answer, and of each text in it: the service takes messages of 10 MB, and one that is never read
/// would keep the others from being. This much Base64 stands for more than any message of ours has.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
const MAX_TEXT: usize = 96 * 1024;

/// How much of a message's body is handed on: more than any of ours has.
const MAX_BODY: usize = 64 * 1024;

/// A topic or a subscription of Pub/Sub.
#[derive(Debug, Clone)]
pub struct PubSub {
    tokens: Tokens,
    address: PubSubAddress,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pulled {
    #[serde(default)]
    received_messages: Vec<Received>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    ack_id: String,
    #[serde(default)]
    message: Body,
    /// Only subscriptions with a dead-letter topic count.
    #[serde(default)]
    delivery_attempt: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    data: String,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    attributes: Beside,
}

/// What stands beside a body.
#[derive(Default, Deserialize)]
struct Beside {
    #[serde(default)]
    subject: String,
}

#[derive(Deserialize)]
struct Permissions {
    #[serde(default)]
    permissions: Vec<String>,
}

impl PubSub {
    pub(crate) fn new(tokens: Tokens, address: PubSubAddress) -> Self {
        Self { tokens, address }
    }

    /// Where it is.
    pub fn address(&self) -> &PubSubAddress {
        &self.address
    }

    pub(crate) async fn receive(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.subscription()?;
        let answer = self.pull(max, wait).await?;
        let pulled: Pulled = read(&answer)?;
        let messages = pulled.received_messages.into_iter().take(max);
        Ok(messages.map(message_of).collect())
    }

    /// Without messages it answers when it likes. The wait ends here, and a message that was on its way comes back.
    async fn pull(&self, max: usize, wait: Duration) -> Result<Answer, QueueError> {
        let mut body = json!({ "maxMessages": max });
        if wait.is_zero()
            && let Value::Object(members) = &mut body
        {
            members.insert("returnImmediately".to_owned(), Value::Bool(true));
        }
        let call = self.call("pull", &body).shortened(MAX_ANSWER, MAX_TEXT);
        if wait.is_zero() {
            return self.tokens.send(call).await;
        }
        let waiting = self.tokens.send(call.waiting(wait));
        match tokio::time::timeout(wait, waiting).await {
            Ok(answer) => answer,
            Err(_) => Ok(Answer {
                status: 200,
                headers: http::HeaderMap::new(),
                body: b"{}".to_vec(),
                is_cut: false,
            }),
        }
    }

    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.subscription()?;
        let body = json!({ "ackIds": [receipt] });
        let answer = self.tokens.send(self.call("acknowledge", &body)).await?;
        read::<Value>(&answer).map(|_| ())
    }

    pub(crate) async fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        if matches!(self.address, PubSubAddress::Subscription(_)) {
            return Err(QueueError::Refused(
                "a subscription takes no messages".to_owned(),
            ));
        }
        let body = json!({ "messages": [{
            "data": BASE64.encode(message.body.as_bytes()),
            "attributes": {
                "subject": message.subject,
                "deduplication_id": message.deduplication_id,
            },
        }] });
        let answer = self.tokens.send(self.call("publish", &body)).await?;
        read::<Value>(&answer).map(|_| ())
    }

    /// Whether we may do here what is done here. One that is not there lets nobody do anything, so that it cannot be told
    /// from one that does not let us in. How many messages wait is with another service.
    pub(crate) async fn attributes(&self) -> Result<Attributes, QueueError> {
        let permission = match self.address {
            PubSubAddress::Subscription(_) => "pubsub.subscriptions.consume",
            PubSubAddress::Topic(_) => "pubsub.topics.publish",
        };
        let call = self.call(
            "testIamPermissions",
            &json!({ "permissions": [permission] }),
        );
        let granted: Permissions = read(&self.tokens.send(call).await?)?;
        if granted.permissions.iter().any(|it| it == permission) {
            Ok(Attributes::default())
        } else {
            Err(QueueError::Denied(format!("without {permission}")))
        }
    }

    fn subscription(&self) -> Result<(), QueueError> {
        match self.address {
            PubSubAddress::Subscription(_) => Ok(()),
            PubSubAddress::Topic(_) => {
                Err(QueueError::Refused("a topic gives no messages".to_owned()))
            }
        }
    }

    fn call(&self, method: &str, body: &Value) -> Call {
        Call::new(Method::POST, self.address.url(method)).body("application/json", body.to_string())
    }
}

/// What is no Base64 is handed on as it is: the reader refuses it, and deletes it.
fn message_of(received: Received) -> Message {
    let body = match BASE64.decode(received.message.data.as_bytes()) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => received.message.data,
    };
    let cut = body.floor_char_boundary(MAX_BODY);
    Message {
        id: received.message.message_id,
        receipt: received.ack_id,
        body: body[..cut].to_owned(),
        subject: received.message.attributes.subject,
        receive_count: received.delivery_attempt.max(1),
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, QueueError> {
    let text = format!("status {}", answer.status);
    match answer.status {
        200 if answer.is_cut => Err(QueueError::Refused("a message that is too long".to_owned())),
        200 => serde_json::from_slice(&answer.body)
            .map_err(|_| QueueError::Unreachable("an answer of another shape".to_owned())),
        401 | 403 => Err(QueueError::Denied(text)),
        404 => Err(QueueError::Missing(text)),
        408 | 429 | 500.. => Err(QueueError::Unreachable(text)),
        _ => Err(QueueError::Refused(text)),
    }
}
