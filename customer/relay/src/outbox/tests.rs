//! What the contract does not allow is not sent. No event that it allows is larger than a message may be; one that were is not
//! sent either.
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

fn event_of(relay: &Relay, event: EventMetadata) -> RelayEvent {
    RelayEvent {
        version: 1,
        relay_id: identity().relay_id().clone(),
        instance: relay.0.instance.clone(),
        sequence: 1,
        sent_at: relay.0.clock.now(),
        event,
    }
}

#[tokio::test]
async fn what_is_larger_than_a_message_may_be_is_not_sent() {
    let relay = relay(&Queue::Local(LocalQueues::default().queue("inbound")));
    let sealed: Vec<_> = (0..200)
        .map(|classes| sealed(&identity(), &event_of(&relay, event_with(classes))))
        .collect();
    let fitting = sealed.iter().take_while(|text| text.is_some()).count();
    assert!(sealed[fitting..].iter().all(Option::is_none));
    assert!(fitting < sealed.len());
    // A class takes less than 100 bytes of a message.
    let longest = sealed[fitting - 1].as_ref().unwrap().len();
    assert!((MAX_MESSAGE_BYTES - 100..=MAX_MESSAGE_BYTES).contains(&longest));
    // The contract's own limit is far below.
    assert!(fitting > wire::relay::MAX_PATH_CLASSES);
}

/// Whatever the control plane would refuse is refused here, where somebody is told, and no number is used up for it.
#[tokio::test]
async fn what_the_contract_does_not_allow_is_not_sent() {
    let queue = Queue::Local(LocalQueues::default().queue("inbound"));
    let relay = relay(&queue);
    let credential = "npm_q7m2zk9xv4bt6ny8rc3wd5q7m2zk9xv4bt6n";
    let mut named = event_with(0);
    named.branch = Some(credential.parse().unwrap());
    let mut classed = event_with(1);
    classed.path_classes.push(credential.parse().unwrap());
    for (event, fields) in [
        (named, vec![Field::Branch]),
        (classed, vec![]),
        (event_with(9), vec![]),
    ] {
        let refusal = send(&relay.0, &identity(), event).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::ContractBroken);
        assert_eq!(refusal.fields, fields);
    }
    assert_eq!(send(&relay.0, &identity(), event_with(8)).await, Ok(1));
    let messages = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!(messages.len(), 1);
    let envelope: Envelope = serde_json::from_str(&messages[0].body).unwrap();
    let payload = BASE64.decode(envelope.payload.as_bytes()).unwrap();
    let event: RelayEvent = serde_json::from_slice(&payload).unwrap();
    assert_eq!(event.sequence, 1);
}
