//! No event that the contract allows is larger than a message may be; one that were is not sent.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::{Clock, Journal, Parts, Relay, Settings, Tools, Vault, new_instance};
use queues::{LocalQueues, Queue};
use serde_json::json;
use std::time::Duration;
use wire::{KeyName, RelayId};

fn identity() -> Identity {
    let relay = RelayId::parse("relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap();
    Identity::new(relay, KeyName::parse("k7f3q9zab2cd").unwrap(), [7; 32])
}

/// An event with more classes of paths than the contract allows: nothing else in it can be long.
fn event_with(classes: usize) -> EventMetadata {
    let event = json!({
        "event_id": "evt-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
        "tool": "github",
        "event": "PUSH",
        "path_classes": vec!["c".repeat(64); classes],
        "received_at": "2026-01-01T00:00:00.000Z",
        "body_bytes": 1,
        "commitment": { "algorithm": "SHA256", "digest": "0".repeat(64) },
    });
    serde_json::from_value(event).unwrap()
}

fn relay(queue: &Queue) -> Relay {
    let variables = |name: &str| {
        let value = match name {
            "HYBRID_RELAY_URL" => "http://127.0.0.1:9",
            "HYBRID_RELAY_IDENTITY" => "file:///none",
            "HYBRID_RELAY_QUEUE_PROVIDER" => "LOCAL",
            "HYBRID_RELAY_QUEUE" => "inbound",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Relay::new(Parts {
        settings: Settings::read(&variables, None).unwrap(),
        tools: Tools::load(None).unwrap(),
        vault: Vault::default(),
        queue: queue.clone(),
        journal: Journal::new(|_| {}),
        clock: Clock::system(),
        instance: new_instance().unwrap(),
    })
}

#[tokio::test]
async fn what_is_larger_than_a_message_may_be_is_not_sent() {
    let queue = Queue::Local(LocalQueues::default().queue("inbound"));
    let relay = relay(&queue);
    let mut longest = 0;
    let mut refused = 0;
    for classes in 0..200 {
        let sent = send(&relay.0, &identity(), event_with(classes)).await;
        let messages = queue.receive(10, Duration::ZERO).await.unwrap();
        match sent {
            Ok(_) => {
                assert_eq!(refused, 0, "a smaller one was refused");
                longest = messages[0].body.len();
                queue.delete(&messages[0].receipt).await.unwrap();
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::MessageTooLarge);
                assert!(messages.is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    // A class takes less than 100 bytes of a message.
    assert!((MAX_MESSAGE_BYTES - 100..=MAX_MESSAGE_BYTES).contains(&longest));
}
