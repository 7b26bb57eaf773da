//! The keys that an issuer publishes: a JSON Web Key Set.

use crate::json::read_object;
use crate::signature::{Algorithm, PublicKey};
use crate::token::Header;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

/// Bytes of the longest document.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Keys of the longest set. The issuers that we know publish two to twelve.
const MAX_KEYS: usize = 100;

/// A document that is no set of keys. The text says why, and is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a set of keys: {0}")]
pub struct KeySetFault(pub &'static str);

/// The keys of one issuer that can verify a token of ours.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<(Option<String>, PublicKey)>,
}

impl KeySet {
    /// Reads a document. Keys of kinds that we do not use, too weak ones, and those meant for something else are left out.
    ///
    /// # Errors
    /// If it is no such document: malformed, longer than 256 KiB, of more than 100 keys, or with a key whose parts are
    /// not what they must be.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetFault> {
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err(KeySetFault("longer than 256 KiB"));
        }
        let members = read_object(document).map_err(|_| KeySetFault("no plain JSON object"))?;
        let Some(Value::Array(list)) = members.get("keys") else {
            return Err(KeySetFault("no list `keys`"));
        };
        if list.len() > MAX_KEYS {
            return Err(KeySetFault("more than 100 keys"));
        }
        let mut keys = Vec::with_capacity(list.len());
        for entry in list {
            let entry = entry.as_object().ok_or(KeySetFault("a key is no object"))?;
            let id = text(entry, "kid")?.map(str::to_owned);
            let Some(key) = usable_key(entry)? else {
                continue;
            };
            // The same key under the same id twice is still one key.
            if !keys.contains(&(id.clone(), key.clone())) {
                keys.push((id, key));
            }
        }
        Ok(Self { keys })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key that the header means: of its id if it has one, and of its algorithm. If two keys fit, neither is meant.
    pub(crate) fn find(&self, header: &Header) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|(id, key)| {
            key.algorithm() == header.algorithm && (header.key_id.is_none() || *id == header.key_id)
        });
        match (fitting.next(), fitting.next()) {
            (Some((_, key)), None) => Some(key),
            _ => None,
        }
    }
}

/// The key that an entry describes; `None` if it is not one that we use.
fn usable_key(entry: &Map<String, Value>) -> Result<Option<PublicKey>, KeySetFault> {
    let kind = text(entry, "kty")?.ok_or(KeySetFault("a key without `kty`"))?;
    let key = match (kind, text(entry, "crv")?) {
        ("RSA", _) => PublicKey::rsa(&number(entry, "n")?, &number(entry, "e")?),
        ("EC", Some("P-256")) => Some(elliptic(Algorithm::Es256, entry)?),
        ("EC", Some("P-384")) => Some(elliptic(Algorithm::Es384, entry)?),
        _ => None,
    };
    Ok(key.filter(|key| is_for_us(entry, key.algorithm())))
}

/// Whether the key may verify signatures of that algorithm. A key published with its private half is nobody's any more.
fn is_for_us(entry: &Map<String, Value>, algorithm: Algorithm) -> bool {
    let is_named = entry
        .get("alg")
        .is_none_or(|name| name.as_str().and_then(Algorithm::named) == Some(algorithm));
    let is_for_signatures = entry
        .get("use")
        .is_none_or(|purpose| purpose.as_str() == Some("sig"));
    let may_verify = entry.get("key_ops").is_none_or(|operations| {
        operations
            .as_array()
            .is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    });
    is_named && is_for_signatures && may_verify && !entry.contains_key("d")
}

fn elliptic(algorithm: Algorithm, entry: &Map<String, Value>) -> Result<PublicKey, KeySetFault> {
    PublicKey::elliptic(algorithm, &number(entry, "x")?, &number(entry, "y")?)
        .ok_or(KeySetFault("a point not of its curve"))
}

fn number(entry: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeySetFault> {
    let digits = text(entry, name)?.ok_or(KeySetFault("a key without its numbers"))?;
    BASE64URL_NOPAD
        .decode(digits.as_bytes())
        .map_err(|_| KeySetFault("a number that is not base64url"))
}

fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, KeySetFault> {
    match entry.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeySetFault("a member that must be text is not")),
    }
}
