//! Standard Webhooks 1.0: <https://github.com/standard-webhooks/standard-webhooks>.

use super::{Unverified, only};
use data_encoding::BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use wire::Timestamp;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The prefix of a secret for `v1`.
const SYMMETRIC: &str = "whsec_";
/// The prefix of a public key for `v1a`.
const ASYMMETRIC: &str = "whpk_";

/// How far the signed time may be from now, in milliseconds.
const TOLERANCE_MS: i64 = 5 * 60 * 1000;

/// How many signatures one delivery may have.
const MAX_SIGNATURES: usize = 16;

/// The longest delivery id, in bytes.
const MAX_ID: usize = 256;

/// Whether a secret is for signatures of this kind.
pub(super) fn is_signing_secret(secret: &SecretString) -> bool {
    secret.expose_secret().starts_with(SYMMETRIC)
}

enum Key {
    Symmetric(Hmac<Sha256>),
    Asymmetric(VerifyingKey),
}

impl Key {
    fn parse(secret: &SecretString) -> Option<Self> {
        let text = secret.expose_secret();
        if let Some(key) = text.strip_prefix(SYMMETRIC) {
            let key = BASE64.decode(key.as_bytes()).ok()?;
            if key.is_empty() {
                return None;
            }
            return Hmac::new_from_slice(&key).ok().map(Self::Symmetric);
        }
        let key = BASE64.decode(text.strip_prefix(ASYMMETRIC)?.as_bytes());
        let key: [u8; 32] = key.ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&key).ok().map(Self::Asymmetric)
    }

    /// What stands before a signature that this key can have made.
    fn version(&self) -> &'static str {
        match self {
            Self::Symmetric(_) => "v1",
            Self::Asymmetric(_) => "v1a",
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Symmetric(mac) => mac
                .clone()
                .chain_update(message)
                .verify_slice(signature)
                .is_ok(),
            Self::Asymmetric(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

/// Verifies a delivery and gives its id. The time is believed only after the signature.
pub(super) fn verify(
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<String, Unverified> {
    let key = Key::parse(secret).ok_or(Unverified::Malformed)?;
    let (id, timestamp) = (only(headers, &ID)?, only(headers, &TIMESTAMP)?);
    // With a full stop in it, what is signed could be cut elsewhere.
    let is_id = !id.is_empty() && id.len() <= MAX_ID && !id.contains('.');
    if !is_id || timestamp.is_empty() || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unverified::Missing);
    }
    let seconds: i64 = timestamp.parse().map_err(|_| Unverified::Stale)?;
    let mut message = format!("{id}.{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    let signatures = only(headers, &SIGNATURE)?.split(' ').take(MAX_SIGNATURES);
    let is_signed = signatures
        .filter_map(|signature| signature.split_once(','))
        .filter(|(version, _)| *version == key.version())
        .filter_map(|(_, signature)| BASE64.decode(signature.as_bytes()).ok())
        .any(|signature| key.has_signed(&message, &signature));
    if !is_signed {
        return Err(Unverified::Wrong);
    }
    let distance = seconds
        .checked_mul(1000)
        .map(|signed| now.as_millis().saturating_sub(signed).saturating_abs());
    match distance {
        Some(distance) if distance <= TOLERANCE_MS => Ok(id.to_owned()),
        Some(_) | None => Err(Unverified::Stale),
    }
}
