//! Whether a webhook is from the tool that it says it is from: by its signature over the raw bytes, before anything of it is
//! parsed.

mod hmac_header;
mod standard_webhooks;
#[cfg(test)]
mod tests;

pub(crate) use hmac_header::{Algorithm, Encoding, HmacHeader};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wire::Timestamp;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// A header that has to be there is not, or is there twice, or cannot be read.
    Missing,
    /// The signature is not of this body with one of the secrets.
    Wrong,
    /// It was signed too long ago, or will be.
    Stale,
    /// No secret has the form that the method needs.
    Malformed,
}

/// How a tool signs its webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// An HMAC of the body in a header: the first of these that is there.
    Hmac(Vec<HmacHeader>),
    /// The secret itself, in one of these headers, or as a bearer token in `Authorization`.
    Token {
        headers: Vec<HeaderName>,
        is_bearer: bool,
    },
    /// Standard Webhooks 1.0, by each secret's own prefix: `whsec_` an HMAC (`v1`), `whpk_` an Ed25519 public key (`v1a`).
    StandardWebhooks,
    /// A secret that begins with `whsec_` is a signing token, used as in Standard Webhooks; another is the secret token, which
    /// GitLab sends as it is. A signing token never opens as a secret token.
    Gitlab,
}

/// A webhook whose signature is good. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedWebhook {
    body: Bytes,
    signed_delivery_id: Option<String>,
}

impl VerifiedWebhook {
    /// The raw body.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The delivery's id, where the signature covers it.
    pub(crate) fn signed_delivery_id(&self) -> Option<&str> {
        self.signed_delivery_id.as_deref()
    }
}

/// Verifies a webhook against every secret that is good now: while one is rotated, there are two.
pub(crate) fn verify(
    method: &Method,
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &Bytes,
    now: Timestamp,
) -> Result<VerifiedWebhook, Unverified> {
    let mut worst = Unverified::Malformed;
    for secret in secrets {
        match by_one(method, secret, headers, body, now) {
            Ok(signed_delivery_id) => {
                return Ok(VerifiedWebhook {
                    body: body.clone(),
                    signed_delivery_id,
                });
            }
            // A secret in the wrong form says nothing of the webhook if there is another.
            Err(Unverified::Malformed) => {}
            Err(other) => worst = other,
        }
    }
    Err(worst)
}

/// With one secret: the signed delivery id, if there is one.
fn by_one(
    method: &Method,
    secret: &SecretString,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<String>, Unverified> {
    // With an empty key everybody can sign.
    if secret.expose_secret().is_empty() {
        return Err(Unverified::Malformed);
    }
    match method {
        Method::Hmac(candidates) => hmac_header::verify(candidates, secret, headers, body)?,
        Method::Token {
            headers: names,
            is_bearer,
        } => by_token(names, *is_bearer, secret, headers)?,
        Method::StandardWebhooks => {
            return standard_webhooks::verify(secret, headers, body, now).map(Some);
        }
        Method::Gitlab => {
            if standard_webhooks::is_signing_secret(secret) {
                return standard_webhooks::verify(secret, headers, body, now).map(Some);
            }
            let name = HeaderName::from_static("x-gitlab-token");
            by_token(&[name], false, secret, headers)?;
        }
    }
    Ok(None)
}

fn by_token(
    names: &[HeaderName],
    is_bearer: bool,
    secret: &SecretString,
    headers: &HeaderMap,
) -> Result<(), Unverified> {
    let token = names
        .iter()
        .find(|name| headers.contains_key(*name))
        .map(|name| only(headers, name));
    let token = match token {
        Some(token) => token?,
        None if is_bearer => bearer(only(headers, &AUTHORIZATION)?)?,
        None => return Err(Unverified::Missing),
    };
    // Digests have one length, so that the comparison does not tell how long the secret is.
    let given = Sha256::digest(token);
    let wanted = Sha256::digest(secret.expose_secret());
    if given.as_slice().ct_eq(wanted.as_slice()).into() {
        Ok(())
    } else {
        Err(Unverified::Wrong)
    }
}

fn bearer(value: &str) -> Result<&str, Unverified> {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start()),
        Some(_) | None => Err(Unverified::Missing),
    }
}

/// The value of a header that is there once. Of two, nobody could say which was meant.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Unverified> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Unverified::Missing),
        _ => Err(Unverified::Missing),
    }
}
