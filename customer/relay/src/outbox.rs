//! An event, numbered, signed and put on the customer's queue.

use crate::identity::Identity;
use crate::refusal::{Reason, Refusal};
use crate::relay::Inner;
use crate::tool::Field;
use data_encoding::BASE64;
use queues::{Outgoing, QueueError};
use std::sync::atomic::Ordering;
use wire::relay::{Envelope, EventMetadata, MAX_MESSAGE_BYTES, RelayEvent, signed_bytes};
use wire::{Check, Fault};

/// What marks a message as an event.
const SUBJECT: &str = "hybrid-ci.event";

/// Puts an event on the queue and gives the number of its message.
///
/// A number is of one message only. If the queue does not take that one, or its answer is lost, the number is used up: a
/// gap says that a message may be missing, which is so, and two messages of one number would say nothing.
pub(crate) async fn send(
    relay: &Inner,
    identity: &Identity,
    event: EventMetadata,
) -> Result<u64, Refusal> {
    let event_id = event.event_id.clone();
    let mut event = RelayEvent {
        version: 1,
        relay_id: identity.relay_id().clone(),
        instance: relay.instance.clone(),
        // The first there is: what the control plane would refuse gets none of its own, as no message of it is missing.
        sequence: 1,
        sent_at: relay.clock.now(),
        event,
    };
    let mut faults = Vec::new();
    event.check(&mut faults);
    if !faults.is_empty() {
        return Err(broken(&faults));
    }
    let sequence = relay.counts.sequence.fetch_add(1, Ordering::Relaxed) + 1;
    event.sequence = sequence;
    let body = sealed(identity, &event).ok_or(Reason::MessageTooLarge)?;
    let message = Outgoing {
        body: &body,
        deduplication_id: event_id.as_str(),
        subject: SUBJECT,
    };
    let sent = relay.queue.send(message).await;
    match &sent {
        Ok(()) => relay.may_send.store(true, Ordering::Relaxed),
        Err(QueueError::Denied(_) | QueueError::Missing(_)) => {
            relay.may_send.store(false, Ordering::Relaxed);
        }
        // Whether the relay may send is not said.
        Err(QueueError::Unreachable(_) | QueueError::Refused(_)) => {}
    }
    sent.map_err(|error| Refusal::from(Reason::QueueUnavailable).because(error.code()))?;
    Ok(sequence)
}

/// A field is named in the log; the classes of paths are none of a tool file's.
fn broken(faults: &[Fault]) -> Refusal {
    let fields = faults.iter().filter_map(|fault| {
        let name = fault.pointer.strip_prefix("/event/")?;
        Field::named(name)
    });
    Refusal {
        fields: fields.collect(),
        ..Reason::ContractBroken.into()
    }
}

/// The text of the message: the event and its signature; none if it is longer than a message may be.
fn sealed(identity: &Identity, event: &RelayEvent) -> Option<String> {
    let payload = serde_json::to_vec(event).ok()?;
    let signed = signed_bytes(identity.relay_id(), identity.key_id(), &payload);
    let envelope = Envelope {
        version: 1,
        relay_id: identity.relay_id().clone(),
        key_id: identity.key_id().clone(),
        signature: identity.sign(&signed),
        payload: BASE64.encode(&payload),
    };
    let text = serde_json::to_string(&envelope).ok()?;
    (text.len() <= MAX_MESSAGE_BYTES).then_some(text)
}

#[cfg(test)]
mod tests;
