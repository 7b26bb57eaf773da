//! The customers' queues: a relay puts events on one, the control plane reads them, and sends decisions to another. Whoever
//! runs a queue, it is used by these five operations and no other.
//!
//! Every queue delivers at least once and in any order: whoever reads one acts on each event once.

mod access;
mod address;
mod cloud;
mod error;
mod lazy;
#[cfg(feature = "local")]
mod local;
mod opener;
mod pubsub;
mod roles;
mod service_bus;
mod sqs;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;

pub use access::Access;
pub use address::{PubSubAddress, QueueAddress, ServiceBusAddress, SqsAddress};
pub use error::QueueError;
#[cfg(feature = "local")]
pub use local::{LocalQueue, LocalQueues};
pub use opener::Opener;
pub use pubsub::PubSub;
pub use roles::{AssumeError, ExternalId, Opening, Roles};
pub use service_bus::ServiceBus;
pub use sqs::Sqs;

use std::time::Duration;

/// How many messages one call receives at most.
pub const MAX_RECEIVED: usize = 10;

/// How long one call waits for messages at most.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// A message, as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's own id of it. The same message keeps it when it is received again.
    pub id: String,
    /// What it is deleted by. Each time that it is received it has another.
    pub receipt: String,
    /// What was sent.
    pub body: String,
    /// What kind of message its sender says that it is; empty if that is not said.
    pub subject: String,
    /// How often it has been received, this time included; 1 where the queue does not say.
    pub receive_count: u32,
}

/// What is put on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The text.
    pub body: &'a str,
    /// What tells two messages of the same event. A queue that can drops the second within a few minutes.
    pub deduplication_id: &'a str,
    /// What kind of message it is, as an attribute beside the body.
    pub subject: &'a str,
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// How many messages wait, about; none where the queue does not say.
    pub waiting: Option<u64>,
    /// How many were received and not deleted yet, about; none where the queue does not say.
    pub in_flight: Option<u64>,
}

/// A queue of a customer.
#[derive(Debug, Clone)]
pub enum Queue {
    /// Amazon SQS.
    Sqs(Sqs),
    /// Azure Service Bus.
    ServiceBus(ServiceBus),
    /// Google Cloud Pub/Sub.
    PubSub(PubSub),
    /// A queue in this process.
    #[cfg(feature = "local")]
    Local(LocalQueue),
}

impl Queue {
    /// Receives up to `max` messages (at most [`MAX_RECEIVED`]), waiting for the first for at most `wait` (at most
    /// [`MAX_WAIT`]). What is received is hidden from others for as long as the queue is set to, and comes back unless it is
    /// deleted.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let (max, wait) = (max.clamp(1, MAX_RECEIVED), wait.min(MAX_WAIT));
        match self {
            Self::Sqs(queue) => queue.receive(max, wait).await,
            Self::ServiceBus(queue) => queue.receive(max, wait).await,
            Self::PubSub(queue) => queue.receive(max, wait).await,
            #[cfg(feature = "local")]
            Self::Local(queue) => queue.receive(max, wait).await,
        }
    }

    /// Deletes a message that was received. One that is gone is no error.
    ///
    /// # Errors
    /// [`QueueError`]; the message then comes back.
    pub async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        match self {
            Self::Sqs(queue) => queue.delete(receipt).await,
            Self::ServiceBus(queue) => queue.delete(receipt).await,
            Self::PubSub(queue) => queue.delete(receipt).await,
            #[cfg(feature = "local")]
            Self::Local(queue) => queue.delete(receipt),
        }
    }

    /// Puts a message on the queue.
    ///
    /// # Errors
    /// [`QueueError`]; the message may be there all the same.
    pub async fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        match self {
            Self::Sqs(queue) => queue.send(message).await,
            Self::ServiceBus(queue) => queue.send(message).await,
            Self::PubSub(queue) => queue.send(message).await,
            #[cfg(feature = "local")]
            Self::Local(queue) => queue.send(message),
        }
    }

    /// How the queue stands, as far as it says so to whoever only sends or only receives.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn attributes(&self) -> Result<Attributes, QueueError> {
        match self {
            Self::Sqs(queue) => queue.attributes().await,
            Self::ServiceBus(queue) => queue.attributes().await,
            Self::PubSub(queue) => queue.attributes().await,
            #[cfg(feature = "local")]
            Self::Local(queue) => Ok(queue.attributes()),
        }
    }

    /// Whether the queue is there and lets us receive. Takes nothing from it.
    ///
    /// # Errors
    /// [`QueueError`], saying why not.
    pub async fn verify_access(&self) -> Result<(), QueueError> {
        match self {
            Self::ServiceBus(queue) => queue.verify_access().await,
            other => other.attributes().await.map(|_| ()),
        }
    }
}
