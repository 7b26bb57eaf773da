//! What a verified token says.

use crate::verify::JwtError;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;
use wire::Timestamp;

/// The last second of the year 9999, since 1970: no token lives longer.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Entries of the longest list of audiences.
const MAX_AUDIENCES: usize = 16;

/// Bytes of the longest claim that we use ourselves; a SPIFFE id may have as many.
const MAX_TEXT_BYTES: usize = 2048;

/// The claims of a token that has been verified: there is no other way to come by one.
#[derive(Clone)]
pub struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) usable_until: Timestamp,
    pub(crate) fingerprint: [u8; 32],
    members: Map<String, Value>,
}

impl Claims {
    /// Reads the claims that every token must have, each of its type.
    pub(crate) fn of(members: Map<String, Value>) -> Result<Self, JwtError> {
        let expires_at = moment(&members, "exp")?.ok_or(JwtError::Claim("exp"))?;
        Ok(Self {
            issuer: text(&members, "iss")?.ok_or(JwtError::Claim("iss"))?,
            subject: text(&members, "sub")?.ok_or(JwtError::Claim("sub"))?,
            audiences: audiences(&members)?,
            issued_at: moment(&members, "iat")?.ok_or(JwtError::Claim("iat"))?,
            expires_at,
            not_before: moment(&members, "nbf")?,
            usable_until: expires_at,
            fingerprint: [0; 32],
            members: {
                for name in ["jti", "azp", "nonce"] {
                    text(&members, name)?;
                }
                members
            },
        })
    }

    /// Who issued the token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whom it is about; unique within the issuer alone.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whom it is for. The expected audience is among them.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// When it was issued.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The moment from which this token verifies no more, leeway included: who lets a token be used once keeps its
    /// fingerprint until then.
    pub fn usable_until(&self) -> Timestamp {
        self.usable_until
    }

    /// SHA-256 of what was signed: by this a token is known again. A digest of the whole token would not do, because a
    /// signature of ECDSA can be rewritten into another that is as good.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The token's own id, `jti`, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// A claim, if it is there.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A claim, if it is there and is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// A claim, if it is there and is a truth value. The text `"true"` is none.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// A text inside of nested claims, as `["kubernetes.io", "namespace"]`.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.value(first)?, |value, name| value.get(name))?
            .as_str()
    }
}

impl fmt::Debug for Claims {
    /// Values are about people, and stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer)
            .field("names", &self.members.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Whom the token is for: one text, or a list of them.
pub(crate) fn audiences(members: &Map<String, Value>) -> Result<Vec<String>, JwtError> {
    let one = |value: &Value| match value {
        Value::String(text) if is_plain(text) => Ok(text.clone()),
        _ => Err(JwtError::Claim("aud")),
    };
    match members.get("aud") {
        Some(Value::Array(list)) if !list.is_empty() && list.len() <= MAX_AUDIENCES => {
            list.iter().map(one).collect()
        }
        Some(value) => one(value).map(|audience| vec![audience]),
        None => Err(JwtError::Claim("aud")),
    }
}

/// A text that must be one if it is there.
fn text(members: &Map<String, Value>, name: &'static str) -> Result<Option<String>, JwtError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_plain(text) => Ok(Some(text.clone())),
        Some(_) => Err(JwtError::Claim(name)),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
}

/// Seconds since 1970, maybe with a fraction; a number that is written as text is none.
fn moment(members: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, JwtError> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| (1.0..=LAST_SECOND).contains(seconds))
        .ok_or(JwtError::Claim(name))?;
    let millis = Duration::from_secs_f64(seconds).as_millis();
    i64::try_from(millis)
        .map(|millis| Some(Timestamp::from_millis(millis)))
        .map_err(|_| JwtError::Claim(name))
}
