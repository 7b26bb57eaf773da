//! An HMAC of the body in a header.

use super::{Unverified, only};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Sha256, Sha512};

/// The hash inside of the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha512,
}

/// How the HMAC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

/// Where an HMAC is, and how it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HmacHeader {
    pub(crate) name: HeaderName,
    pub(crate) algorithm: Algorithm,
    pub(crate) encoding: Encoding,
    /// What stands before it, such as `sha256=`.
    pub(crate) prefix: String,
}

/// Verifies the first of the headers that is there. All are as strong, so that whoever leaves one out wins nothing.
pub(super) fn verify(
    candidates: &[HmacHeader],
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Unverified> {
    let header = candidates
        .iter()
        .find(|header| headers.contains_key(&header.name))
        .ok_or(Unverified::Missing)?;
    let text = only(headers, &header.name)?
        .strip_prefix(&header.prefix)
        .ok_or(Unverified::Missing)?;
    let given = match header.encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
        Encoding::Base64 => BASE64.decode(text.as_bytes()),
    };
    let given = given.map_err(|_| Unverified::Missing)?;
    match header.algorithm {
        Algorithm::Sha256 => is_of::<Hmac<Sha256>>(secret, body, &given),
        Algorithm::Sha512 => is_of::<Hmac<Sha512>>(secret, body, &given),
    }
}

/// Compares in constant time, and only the whole: a shorter signature would be guessed.
fn is_of<M: Mac + KeyInit>(
    secret: &SecretString,
    body: &[u8],
    given: &[u8],
) -> Result<(), Unverified> {
    let mac = <M as KeyInit>::new_from_slice(secret.expose_secret().as_bytes());
    let mac = mac.map_err(|_| Unverified::Malformed)?;
    mac.chain_update(body)
        .verify_slice(given)
        .map_err(|_| Unverified::Wrong)
}
