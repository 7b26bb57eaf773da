//! A token taken apart, before anything in it is believed.

use crate::claims::audiences;
use crate::json::read_object;
use crate::signature::Algorithm;
use crate::verify::JwtError;
use data_encoding::BASE64URL_NOPAD;

/// Bytes of the longest token that is looked at. Those that we know have 1 to 3 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Bytes of the longest key id.
const MAX_KEY_ID_BYTES: usize = 256;

/// Parameters that bring a key of the token's own choosing, or change what the signature means.
const REFUSED_PARAMETERS: [&str; 9] = [
    "b64", "crit", "cty", "enc", "jku", "jwk", "x5c", "x5u", "zip",
];

/// The three parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    /// Header and payload as they stand in the token: what the signature is of.
    pub(crate) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwtError::Malformed("too long"));
        }
        let not_three = JwtError::Malformed("not three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(not_three.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(not_three.clone())?;
        if payload.contains('.') {
            return Err(not_three);
        }
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(JwtError::Malformed("an empty part"));
        }
        Ok(Self {
            header,
            payload,
            signed,
        })
    }

    pub(crate) fn header(self) -> Result<Header, JwtError> {
        Header::of(&object(self.header, "header")?)
    }

    pub(crate) fn payload(self) -> Result<serde_json::Map<String, serde_json::Value>, JwtError> {
        object(self.payload, "payload")
    }
}

fn object(
    part: &str,
    name: &'static str,
) -> Result<serde_json::Map<String, serde_json::Value>, JwtError> {
    let text = BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| JwtError::Malformed("not base64url"))?;
    read_object(&text).map_err(|_| JwtError::Malformed(name))
}

/// What a header may choose: among our algorithms, and among the issuer's keys.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
}

impl Header {
    fn of(members: &serde_json::Map<String, serde_json::Value>) -> Result<Self, JwtError> {
        if let Some(name) = REFUSED_PARAMETERS
            .iter()
            .find(|name| members.contains_key(**name))
        {
            return Err(JwtError::Header(name));
        }
        let is_ours = |kind: &str| {
            ["JWT", "JOSE"]
                .iter()
                .any(|ours| kind.eq_ignore_ascii_case(ours))
        };
        if members
            .get("typ")
            .is_some_and(|kind| !kind.as_str().is_some_and(is_ours))
        {
            return Err(JwtError::Header("typ"));
        }
        let algorithm = members
            .get("alg")
            .and_then(|name| name.as_str())
            .and_then(Algorithm::named)
            .ok_or(JwtError::Algorithm)?;
        let key_id = match members.get("kid") {
            None => None,
            Some(serde_json::Value::String(id))
                if !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES =>
            {
                Some(id.clone())
            }
            Some(_) => return Err(JwtError::Header("kid")),
        };
        Ok(Self { algorithm, key_id })
    }
}

/// What a token says of itself. It may be forged: it serves to find the rule by which to verify the token, and for
/// nothing else.
#[derive(Debug)]
pub struct Unverified {
    issuer: String,
    audiences: Vec<String>,
}

impl Unverified {
    /// Reads a token without verifying it.
    ///
    /// # Errors
    /// If it could not be verified by any key.
    pub fn read(token: &str) -> Result<Self, JwtError> {
        let parts = Parts::of(token)?;
        parts.header()?;
        let members = parts.payload()?;
        let issuer = members
            .get("iss")
            .and_then(|issuer| issuer.as_str())
            .ok_or(JwtError::Claim("iss"))?;
        Ok(Self {
            issuer: issuer.to_owned(),
            audiences: audiences(&members)?,
        })
    }

    /// Who claims to have issued it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whom it claims to be for.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }
}
