//! Requests that are signed instead of bearing a token: the key never leaves whoever signs.
//!
//! What is signed is [`SignedParts`]; the four headers are there once each. How a key signs is a property of the key and
//! nothing that a request can say.

use crate::{KeyEncryption, Origin};
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit, Mac};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use store::{KeyId, VerifyingMaterial};
use web::SentPath;
use wire::{
    SIGNED_KEY_ID, SIGNED_NONCE, SIGNED_SIGNATURE, SIGNED_TIMESTAMP, SignedParts, TenantId,
    Timestamp,
};

/// How far the time of a request may lie from ours, in seconds. Its nonce is remembered until that has passed.
pub(crate) const WINDOW_SECONDS: i64 = 300;

/// Whether the request says that it is signed.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    [
        SIGNED_KEY_ID,
        SIGNED_TIMESTAMP,
        SIGNED_NONCE,
        SIGNED_SIGNATURE,
    ]
    .iter()
    .any(|name| headers.contains_key(*name))
}

/// Why a request counts as not signed. For the log, but for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    /// A header is missing, there twice, or not what it should be.
    #[error("a signature's header is missing or malformed")]
    Malformed,
    /// It is for another host.
    #[error("signed for another host")]
    Host,
    /// It was signed too long ago, or will be.
    #[error("signed too long ago or in the future")]
    Time,
}

/// A request that says it is signed, as far as its headers tell.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) key_id: KeyId,
    pub(crate) nonce: String,
    pub(crate) at: Timestamp,
    timestamp: String,
    method: String,
    host: String,
    path: String,
    query: String,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads the headers. Nothing is verified but the form, the host and the time.
    pub(crate) fn read(parts: &Parts, origin: &Origin, now: Timestamp) -> Result<Self, Unsigned> {
        let headers = &parts.headers;
        let named = |name: &'static str| {
            only(headers, &HeaderName::from_static(name)).ok_or(Unsigned::Malformed)
        };
        let timestamp = named(SIGNED_TIMESTAMP)?;
        let at = moment(timestamp).ok_or(Unsigned::Malformed)?;
        let nonce = named(SIGNED_NONCE)?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(16..=64).contains(&nonce.len()) || !nonce.bytes().all(is_allowed) {
            return Err(Unsigned::Malformed);
        }
        let signature = BASE64.decode(named(SIGNED_SIGNATURE)?.as_bytes());
        let signed = Self {
            key_id: KeyId::parse(named(SIGNED_KEY_ID)?).map_err(|_| Unsigned::Malformed)?,
            nonce: nonce.to_owned(),
            at,
            timestamp: timestamp.to_owned(),
            method: parts.method.as_str().to_owned(),
            host: host(parts).ok_or(Unsigned::Malformed)?.to_owned(),
            path: sent_path(parts).to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            signature: signature.map_err(|_| Unsigned::Malformed)?,
        };
        if !origin.is_own_host(&signed.host) {
            return Err(Unsigned::Host);
        }
        let (ahead, behind) = (at.millis_since(now), now.millis_since(at));
        if ahead.max(behind) > WINDOW_SECONDS * 1000 {
            return Err(Unsigned::Time);
        }
        Ok(signed)
    }

    /// From when on the request cannot be good any more.
    pub(crate) fn good_until(&self) -> Timestamp {
        self.at.plus_seconds(WINDOW_SECONDS + 1)
    }

    /// Whether it is signed with that key, with this body.
    pub(crate) fn is_by(
        &self,
        material: &VerifyingMaterial,
        tenant: &TenantId,
        encryption: &KeyEncryption,
        body: &[u8],
    ) -> bool {
        let parts = SignedParts {
            timestamp: &self.timestamp,
            nonce: &self.nonce,
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: &self.query,
            body_sha256: &HEXLOWER.encode(&Sha256::digest(body)),
        };
        let message = parts.string_to_sign();
        match material {
            VerifyingMaterial::Ed25519(public) => {
                is_ed25519(public, message.as_bytes(), &self.signature)
            }
            VerifyingMaterial::HmacSha256(sealed) => encryption
                .open((tenant, &self.key_id), sealed)
                .is_some_and(|key| is_hmac(&*key, message.as_bytes(), &self.signature)),
        }
    }
}

/// Whole seconds since 1970, in digits that are the only way to write them.
fn moment(text: &str) -> Option<Timestamp> {
    let is_plain = text.len() <= 11 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = is_plain.then(|| text.parse().ok())??;
    (text == seconds.to_string()).then(|| Timestamp::from_millis(seconds * 1000))
}

/// The host that was called: of `Host`, or in HTTP/2 of the address itself.
fn host(parts: &Parts) -> Option<&str> {
    if parts.headers.contains_key(HOST) {
        only(&parts.headers, &HOST)
    } else {
        parts.uri.authority().map(http::uri::Authority::as_str)
    }
}

/// The path that was called, which is what the client has signed.
fn sent_path(parts: &Parts) -> &str {
    let sent = parts.extensions.get::<SentPath>();
    sent.map_or(parts.uri.path(), |SentPath(path)| path)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        Some(_) => None,
        None => value.to_str().ok(),
    }
}

/// As RFC 8032 says and stricter: no signature can be rewritten into another, and no key of small order fits everything.
fn is_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
        return false;
    };
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// In constant time, and the whole of it: a signature that is cut off is none.
fn is_hmac(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(key)
        .is_ok_and(|hmac| hmac.chain_update(message).verify_slice(signature).is_ok())
}

/// A public key of Ed25519 that is one, and not one of the few that verify what nobody signed.
pub fn check_ed25519(public: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| !key.is_weak())
}

#[cfg(test)]
#[path = "signed_request_tests.rs"]
mod tests;
