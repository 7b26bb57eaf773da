//! What is on the queue: an event, signed by the relay.

use crate::text::{KeyName, RelayId};
use serde::{Deserialize, Serialize};

/// The largest message that a relay puts on a queue, and the control plane reads, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// The body of a message: the bytes of an event as the relay wrote them, and its signature over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The form of the envelope: 1.
    pub version: u32,
    /// The relay that says to have sent it.
    pub relay_id: RelayId,
    /// The public id of the key that it is signed with.
    pub key_id: KeyName,
    /// The JSON of a [`RelayEvent`](super::RelayEvent), in Base64 (standard alphabet, padded).
    pub payload: String,
    /// The Ed25519 signature of [`signed_bytes`], in Base64 (standard alphabet, padded).
    pub signature: String,
}

/// What an envelope's signature is over. `payload` is what the Base64 stands for. Neither id can have a newline, so no two
/// messages have the same.
pub fn signed_bytes(relay: &RelayId, key_id: &KeyName, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("hcp-relay-event-v1\n{relay}\n{key_id}\n").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}
