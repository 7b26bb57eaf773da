//! What the keys of relays have in common, however they are brought.

use auth::check_ed25519;
use data_encoding::BASE64;
use domain::relay::HEARTBEAT_SECONDS;
use store::{KeyId, NewRelayKey, RelayKey};
use web::Problem;
use wire::relay::EnrolRelayResponse;
use wire::{KeyName, RelayId, Timestamp};

/// How long a key is good, in seconds: 365 days.
const KEY_SECONDS: i64 = 365 * 24 * 3600;

/// How long an enrolment token is good, in seconds: a day.
pub(crate) const ENROLMENT_SECONDS: i64 = 24 * 3600;

/// For how long the key before stays good, at most and unless said otherwise, in seconds: a day.
pub(crate) const OVERLAP_SECONDS: u32 = 24 * 3600;

/// Reads a public key.
///
/// # Errors
/// 400 if it is none, or one of the few that verify what nobody signed.
pub(crate) fn public_key(text: &str) -> Result<[u8; 32], Problem> {
    let bytes = BASE64.decode(text.as_bytes()).ok();
    let key: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    key.filter(check_ed25519).ok_or_else(|| {
        let detail =
            "must be an Ed25519 public key: 32 bytes in Base64 with the standard alphabet, padded";
        Problem::invalid_at("/public_key", detail)
    })
}

/// A key that a relay brings now.
pub(crate) fn new_key(
    key_id: [u8; KeyId::LENGTH],
    public_key: [u8; 32],
    relay_id: &RelayId,
    now: Timestamp,
) -> NewRelayKey {
    NewRelayKey {
        key_id: KeyId::new(key_id),
        public_key,
        relay_id: relay_id.clone(),
        expires_at: now.plus_seconds(KEY_SECONDS),
    }
}

/// What a relay is told that has brought this key, whenever that was.
pub(crate) fn answer(key: &RelayKey) -> Result<EnrolRelayResponse, Problem> {
    Ok(EnrolRelayResponse {
        relay_id: key.relay_id.clone(),
        key_id: name(&key.key_id)?,
        expires_at: key.expires_at,
        heartbeat_interval_seconds: heartbeat_seconds(),
    })
}

/// The same of a key that was brought just now.
pub(crate) fn answer_new(key: &NewRelayKey) -> Result<EnrolRelayResponse, Problem> {
    Ok(EnrolRelayResponse {
        relay_id: key.relay_id.clone(),
        key_id: name(&key.key_id)?,
        expires_at: key.expires_at,
        heartbeat_interval_seconds: heartbeat_seconds(),
    })
}

/// A key id as customer programs call it.
fn name(key_id: &KeyId) -> Result<KeyName, Problem> {
    KeyName::parse(key_id.as_str()).map_err(|_| Problem::internal())
}

/// How often a relay is to be heard of, on the wire.
pub(crate) fn heartbeat_seconds() -> u32 {
    u32::try_from(HEARTBEAT_SECONDS).unwrap_or(u32::MAX)
}
