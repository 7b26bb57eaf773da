//! What the tests of tokens share: an issuer's keys, a token that is good, and what is expected of one.

use crate::testing::{SigningKey, key_document};
use crate::{Claims, Expected, IssuerUrl, JwtError, KeySet, Verifier};
use serde_json::{Value, json};
use std::sync::LazyLock;
use wire::Timestamp;

pub(super) const NOW_SECONDS: i64 = 1_700_000_000;
pub(super) const NOW: Timestamp = Timestamp::from_millis(NOW_SECONDS * 1000);
pub(super) const ISSUER: &str = "https://issuer.example.com/tenant";
pub(super) const AUDIENCE: &str = "https://ci.example.com/acme";

/// The issuer's keys, and one that is not its own.
pub(super) struct Keys {
    pub(super) es256: SigningKey,
    pub(super) es384: SigningKey,
    pub(super) rs256: SigningKey,
    pub(super) stranger: SigningKey,
}

/// Made once: an RSA key takes a moment.
pub(super) static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    es256: SigningKey::es256("es256"),
    es384: SigningKey::es384("es384"),
    rs256: SigningKey::rs256("rs256"),
    stranger: SigningKey::es256("es256"),
});

impl Keys {
    pub(super) fn own(&self) -> [&SigningKey; 3] {
        [&self.es256, &self.es384, &self.rs256]
    }

    pub(super) fn set(&self) -> KeySet {
        KeySet::parse(key_document(&self.own()).as_bytes()).unwrap()
    }
}

/// Claims of a token that is good now.
pub(super) fn good() -> Value {
    json!({
        "iss": ISSUER, "sub": "workload-1", "aud": AUDIENCE,
        "iat": NOW_SECONDS - 5, "exp": NOW_SECONDS + 300,
    })
}

/// The good claims, with one that is different.
pub(super) fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = good();
    claims[name] = value.into();
    claims
}

/// The good claims, without one.
pub(super) fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub(super) fn issuer() -> IssuerUrl {
    IssuerUrl::parse(ISSUER).unwrap()
}

pub(super) fn workload() -> Expected {
    Expected::workload(issuer(), AUDIENCE)
}

/// Verifies a token of a workload by the issuer's keys.
pub(super) fn verify(token: &str) -> Result<Claims, JwtError> {
    verify_as(token, &workload())
}

pub(super) fn verify_as(token: &str, expected: &Expected) -> Result<Claims, JwtError> {
    Verifier.verify(token, expected, &KEYS.set(), NOW)
}
