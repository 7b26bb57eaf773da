//! What an agent and the control plane must agree on for the one to prove to the other who it is: the audience that a
//! workload's token is made for, and the text that a signed request's signature is over.

use crate::text::{TenantId, check_printable, checked_text, invalid};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

checked_text! {
    /// The name of a claim of a workload's token: 1 to 64 of `A-Z a-z 0-9 _ - . : /`.
    ClaimName, check_claim_name, { max_length = 64, pattern = "^[A-Za-z0-9_.:/-]{1,64}$", example = "sub" }
}
checked_text! {
    /// The value of a claim, or how it begins: 1 to 512 printable characters.
    ClaimValue, |text| check_printable(text, 1, 512), { max_length = 512 }
}

/// What a claim must be: in JSON a text, which it must equal, or `{"prefix": "..."}`, which it must begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ClaimMatch {
    /// Equal to this, to the letter.
    Exact(ClaimValue),
    /// Beginning with this. Whatever follows is accepted, so end it where a part of the value ends.
    Prefix {
        /// The beginning.
        prefix: ClaimValue,
    },
}

impl ClaimMatch {
    /// Whether the claim is as it must be.
    pub fn accepts(&self, claim: &str) -> bool {
        match self {
            Self::Exact(value) => claim == value.as_str(),
            Self::Prefix { prefix } => claim.starts_with(prefix.as_str()),
        }
    }

    /// What the claim is compared with.
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(value) | Self::Prefix { prefix: value } => value.as_str(),
        }
    }

    /// The value that the claim must equal, if it must equal one.
    pub fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(value) => Some(value.as_str()),
            Self::Prefix { .. } => None,
        }
    }
}

// By hand: what is derived for untagged enums says neither what is wrong nor refuses unknown fields.
impl<'de> Deserialize<'de> for ClaimMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Match;
        impl<'de> Visitor<'de> for Match {
            type Value = ClaimMatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or {\"prefix\": text}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ClaimMatch, E> {
                ClaimValue::parse(text)
                    .map(ClaimMatch::Exact)
                    .map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClaimMatch, A::Error> {
                let Some((key, prefix)) = map.next_entry::<String, ClaimValue>()? else {
                    return Err(A::Error::missing_field("prefix"));
                };
                if key != "prefix" {
                    return Err(A::Error::unknown_field(&key, &["prefix"]));
                }
                if let Some(more) = map.next_key::<String>()? {
                    return Err(A::Error::unknown_field(&more, &[]));
                }
                Ok(ClaimMatch::Prefix { prefix })
            }
        }
        deserializer.deserialize_any(Match)
    }
}

fn check_claim_name(text: &str) -> Result<(), crate::Invalid> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return invalid("must be 1 to 64 of A-Z a-z 0-9 _ - . : /");
    }
    Ok(())
}

/// The audience that a token must name to register an agent of that organisation with the control plane at `origin`.
pub fn agents_audience(origin: &str, tenant: &TenantId) -> String {
    format!("{}/agents/{tenant}", origin.trim_end_matches('/'))
}

/// The same for tokens of Azure, where an audience is the Application ID URI of a directory: it may begin with the
/// directory's id, and never with a domain that the directory does not own.
pub fn azure_audience(origin: &str, directory: &str, tenant: &TenantId) -> String {
    format!("api://{directory}/{}.agents.{tenant}", host_of(origin))
}

/// The organisation that an audience belongs to; `None` if it is no audience of this control plane's agents.
pub fn tenant_of_audience(origin: &str, audience: &str) -> Option<TenantId> {
    let plain = audience
        .strip_prefix(origin.trim_end_matches('/'))
        .and_then(|rest| rest.strip_prefix("/agents/"));
    let name = plain.or_else(|| {
        let (directory, rest) = audience.strip_prefix("api://")?.split_once('/')?;
        let rest = rest.strip_prefix(host_of(origin))?;
        is_uuid(directory).then_some(rest)?.strip_prefix(".agents.")
    })?;
    TenantId::parse(name).ok()
}

/// The host of an origin, with its port if it has one.
fn host_of(origin: &str) -> &str {
    origin
        .split_once("://")
        .map_or(origin, |(_, host)| host)
        .trim_end_matches('/')
}

/// Whether it is a UUID as Azure writes them: lower case, with dashes.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The header with the id of the key that signed a request.
pub const SIGNED_KEY_ID: &str = "x-hcp-key-id";
/// The header with the time of signing, in whole seconds since 1970.
pub const SIGNED_TIMESTAMP: &str = "x-hcp-timestamp";
/// The header with what makes a request unlike every other: 16 to 64 of `A-Z a-z 0-9 - _`.
pub const SIGNED_NONCE: &str = "x-hcp-nonce";
/// The header with the signature in Base64.
pub const SIGNED_SIGNATURE: &str = "x-hcp-signature";

/// What the signature of a request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedParts<'a> {
    /// As in [`SIGNED_TIMESTAMP`].
    pub timestamp: &'a str,
    /// As in [`SIGNED_NONCE`].
    pub nonce: &'a str,
    /// The method, in upper case.
    pub method: &'a str,
    /// The `Host`, with its port unless it is the scheme's own.
    pub host: &'a str,
    /// The path as it is sent, nothing decoded.
    pub path: &'a str,
    /// What follows the `?`, as it is sent; empty if there is none.
    pub query: &'a str,
    /// The SHA-256 of the body in lower-case hexadecimal digits.
    pub body_sha256: &'a str,
}

impl SignedParts<'_> {
    /// The first line of every string to sign. Another form will have another.
    pub const VERSION: &'static str = "hcp-v1";

    /// The string to sign: version, timestamp, nonce, method, host, path, query and the body's digest, a line each,
    /// with no newline at the end. No part can have a newline, so no two requests have the same.
    pub fn string_to_sign(&self) -> String {
        [
            Self::VERSION,
            self.timestamp,
            self.nonce,
            self.method,
            self.host,
            self.path,
            self.query,
            self.body_sha256,
        ]
        .join("\n")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const ORIGIN: &str = "https://ci.example.com";
    const DIRECTORY: &str = "8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b";

    #[test]
    fn an_audience_gives_back_its_organisation() {
        let tenant = TenantId::parse("org-1.a_b").unwrap();
        let plain = agents_audience(ORIGIN, &tenant);
        assert_eq!(plain, "https://ci.example.com/agents/org-1.a_b");
        let azure = azure_audience(ORIGIN, DIRECTORY, &tenant);
        assert_eq!(
            azure,
            format!("api://{DIRECTORY}/ci.example.com.agents.org-1.a_b")
        );
        for audience in [plain, azure] {
            assert_eq!(
                tenant_of_audience(ORIGIN, &audience),
                Some(tenant.clone()),
                "{audience}"
            );
            assert_eq!(
                tenant_of_audience("https://ci.example.org", &audience),
                None,
                "{audience}"
            );
        }
    }

    #[test]
    fn what_only_resembles_an_audience_is_none() {
        for other in [
            "",
            "acme",
            "https://ci.example.com",
            "https://ci.example.com/agents/",
            "https://ci.example.com/agents/acme/",
            "https://ci.example.com/agents/acme?x",
            "https://ci.example.com/agents/../acme",
            "https://ci.example.com//agents/acme",
            "https://ci.example.com/Agents/acme",
            "https://ci.example.com/agents/ACME",
            "http://ci.example.com/agents/acme",
            "https://ci.example.com.evil.example/agents/acme",
            "https://ci.example.com:443/agents/acme",
            "xhttps://ci.example.com/agents/acme",
            "api://ci.example.com.agents.acme",
            "api://8D4F7D1E-0b5a-4d43-9f0a-8f2f0c6d7e5b/ci.example.com.agents.acme",
            "api://8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5/ci.example.com.agents.acme",
            "api://8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b/evil/ci.example.com.agents.acme",
            "api://8d4f7d1e-0b5a-4d43-9f0a-8f2f0c6d7e5b/ci.example.com.agents.",
        ] {
            assert_eq!(tenant_of_audience(ORIGIN, other), None, "{other}");
        }
    }

    #[test]
    fn a_claim_equals_a_text_or_begins_with_one() {
        let read = |json: &str| serde_json::from_str::<ClaimMatch>(json);
        let exact = read("\"a/b\"").unwrap();
        assert!(exact.accepts("a/b") && !exact.accepts("a/b ") && !exact.accepts("xa/b"));
        let prefix = read("{\"prefix\": \"a/b\"}").unwrap();
        assert!(prefix.accepts("a/b") && prefix.accepts("a/bc"));
        assert!(!prefix.accepts("a/") && !prefix.accepts("xa/b") && !prefix.accepts("A/B"));
        for both in [&exact, &prefix] {
            let written = serde_json::to_string(both).unwrap();
            assert_eq!(&read(&written).unwrap(), both);
        }
        for bad in [
            "{}",
            "\"\"",
            "1",
            "null",
            "[\"a\"]",
            "{\"suffix\": \"a\"}",
            "{\"prefix\": \"\"}",
            "{\"prefix\": \"a\", \"suffix\": \"b\"}",
            "{\"prefix\": {\"prefix\": \"a\"}}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_part_has_a_line_of_its_own_in_the_string_to_sign() {
        let parts = SignedParts {
            timestamp: "1700000000",
            nonce: "0123456789abcdef",
            method: "POST",
            host: "ci.example.com",
            path: "/api/agents/register",
            query: "",
            body_sha256: "e3b0",
        };
        assert_eq!(
            parts.string_to_sign(),
            "hcp-v1\n1700000000\n0123456789abcdef\nPOST\nci.example.com\n/api/agents/register\n\ne3b0"
        );
    }
}
