//! Names and ids: text that has been checked once and is then a type of its own.

mod credentials;

pub use credentials::looks_like_a_credential;

use serde::Serialize;
use std::collections::BTreeMap;

/// Text that is not what it was read as. The message says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) String);

pub(crate) fn invalid<T>(message: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(message.into()))
}

/// Labels that a user gives a job or an agent: up to 16, keys like names, values up to 128 printable characters,
/// 512 bytes in all. They are shown and filtered by, never interpreted.
pub type Tags = BTreeMap<String, String>;

pub(crate) fn check_tags(tags: &Tags) -> Result<(), String> {
    if tags.len() > 16 {
        return Err(format!("at most 16 tags, not {}", tags.len()));
    }
    let mut bytes = 0;
    for (key, value) in tags {
        check_name(key).map_err(|why| format!("tag key: {why}"))?;
        check_printable(value, 0, 128).map_err(|why| format!("value of tag `{key}`: {why}"))?;
        bytes += key.len() + value.len();
    }
    if bytes > 512 {
        return Err(format!("at most 512 bytes of keys and values, not {bytes}"));
    }
    Ok(())
}

/// 1 to 64 of `a-z 0-9 - _ .`, beginning with a letter or a digit.
pub(crate) fn check_name(text: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return invalid("must be 1 to 64 of a-z 0-9 - _ .");
    }
    if !text.as_bytes()[0].is_ascii_alphanumeric() {
        return invalid("must begin with a letter or a digit");
    }
    Ok(())
}

/// Printable text without control characters and without those that turn the direction of writing or have no width:
/// both hide what a person believes to be reading.
pub(crate) fn check_printable(text: &str, least: usize, most: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length < least || length > most {
        return invalid(format!(
            "must have {least} to {most} characters, not {length}"
        ));
    }
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if text.chars().any(hidden) {
        return invalid("must not have control, direction or zero-width characters");
    }
    refuse_credentials(text)
}

/// Refuses what looks like a credential: the control plane must never come to hold one by mistake.
///
/// Texts that are stored are read by this too, so it knows the marks of the first release alone. What is new is asked for the
/// others by [`check_no_credential`](crate::check::check_no_credential).
pub(crate) fn refuse_credentials(text: &str) -> Result<(), Invalid> {
    if credentials::has_a_first_mark(text) {
        return invalid(LOOKS_LIKE_A_CREDENTIAL);
    }
    Ok(())
}

pub(crate) const LOOKS_LIKE_A_CREDENTIAL: &str =
    "looks like a credential; credentials must not be sent to the control plane";

/// A newtype of checked text: parsed once, then passed on as itself.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, { $($schema:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, $($schema)*))]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`Invalid`](crate::Invalid), saying what the text must be.
            pub fn parse(text: &str) -> Result<Self, $crate::text::Invalid> {
                let check: fn(&str) -> Result<(), $crate::text::Invalid> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use checked_text;

checked_text! {
    /// The name of a pool of agents.
    PoolName, check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "default" }
}
impl PoolName {
    /// The pool of a job that is created without naming one.
    pub fn default_pool() -> Self {
        Self("default".to_owned())
    }
}

checked_text! {
    /// The name of a job in `.hybrid-ci.yml`.
    JobType, check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "build" }
}
checked_text! {
    /// The name of a service that is deployed.
    ServiceName, check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "checkout" }
}
checked_text! {
    /// The version of a service: 1 to 64 printable characters.
    ServiceVersion, |text| check_printable(text, 1, 64), { max_length = 64, example = "1.4.0" }
}
checked_text! {
    /// A short sentence by a person: 1 to 200 printable characters.
    ShortText, |text| check_printable(text, 1, 200), { max_length = 200 }
}
checked_text! {
    /// The name of an organisation: what all its data is kept under.
    TenantId, check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$" }
}

checked_text! {
    /// The name of a tool that sends webhooks, as its configuration file has it.
    ToolName, check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "github" }
}
checked_text! {
    /// The public id of a key: 12 of `a-z 0-9`. It opens nothing.
    KeyName, check_key_name, { pattern = "^[a-z0-9]{12}$", example = "k7f3q9zab2cd" }
}

fn check_key_name(text: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    if text.len() == 12 && text.bytes().all(allowed) {
        Ok(())
    } else {
        invalid("must be 12 of a-z 0-9")
    }
}

/// Checks `<prefix><26 characters of Crockford's base 32>`.
fn check_id(text: &str, prefix: &str) -> Result<(), Invalid> {
    let ulid = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'H' | b'J' | b'K' | b'M' | b'N' | b'P'..=b'T' | b'V'..=b'Z');
    match text.strip_prefix(prefix) {
        Some(rest) if rest.len() == 26 && rest.bytes().all(ulid) && rest.as_bytes()[0] <= b'7' => {
            Ok(())
        }
        Some(_) | None => invalid(format!("must be `{prefix}` and a ULID")),
    }
}

/// The 26 characters of a ULID: 128 bits, most significant first.
fn ulid_text(bits: u128) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26)
        .rev()
        .map(|place| char::from(ALPHABET[((bits >> (5 * place)) & 31) as usize]))
        .collect()
}

/// The bits of a ULID: the time in milliseconds since 1970, then random ones.
fn ulid_bits(now: crate::Timestamp, random: [u8; 10]) -> u128 {
    let time = u128::from(now.as_millis().unsigned_abs() & 0xffff_ffff_ffff);
    let random = random.iter();
    random.fold(time, |bits, byte| (bits << 8) | u128::from(*byte))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        checked_text! {
            $(#[$doc])*
            $name, |text| check_id(text, $prefix), { example = json!(concat!($prefix, "01JAB3Z5K8Q4V6W7X9Y0ZABCDE")) }
        }

        impl $name {
            /// A new id: a ULID of that time (milliseconds since 1970) and 80 random bits.
            pub fn new(now: crate::Timestamp, random: [u8; 10]) -> Self {
                Self(format!(concat!($prefix, "{}"), ulid_text(ulid_bits(now, random))))
            }

            /// The id that belongs to a digest: the same digest, the same id.
            pub fn from_digest(digest: [u8; 16]) -> Self {
                Self(format!(concat!($prefix, "{}"), ulid_text(u128::from_be_bytes(digest))))
            }
        }
    };
}

id! {
    /// The id of a job.
    JobId, "job-"
}
id! {
    /// The id of an agent. Each registration gives a new one, so it also names the agent's session.
    AgentId, "agent-"
}
id! {
    /// The id of a deployment.
    DeploymentId, "deploy-"
}
id! {
    /// The id of a person. It stays the same in every organisation.
    UserId, "user-"
}
id! {
    /// The id of a relay.
    RelayId, "relay-"
}
id! {
    /// The id of an event: it belongs to the delivery that it is made from.
    EventId, "evt-"
}
id! {
    /// The public id of a person's session. It opens nothing.
    SessionId, "session-"
}

impl TenantId {
    /// A new id for the organisation of people who signed in: `org-` and a ULID in lower case.
    pub fn organisation(now: crate::Timestamp, random: [u8; 10]) -> Self {
        let ulid = ulid_text(ulid_bits(now, random));
        Self(format!("org-{}", ulid.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_new_id_parses_and_sorts_by_time() {
        let early = JobId::new(Timestamp::from_millis(1_700_000_000_000), [255; 10]);
        let late = JobId::new(Timestamp::from_millis(1_700_000_000_001), [0; 10]);
        assert!(early < late);
        assert_eq!(JobId::parse(early.as_str()).unwrap(), early);
        assert_eq!(
            JobId::from_digest([255; 16]).as_str(),
            "job-7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
        );
    }

    #[test]
    fn an_organisation_is_a_name_as_every_tenant_is() {
        let tenant = TenantId::organisation(Timestamp::from_millis(1_700_000_000_000), [255; 10]);
        assert_eq!(tenant.as_str(), "org-01hf7yat00zzzzzzzzzzzzzzzz");
        assert_eq!(TenantId::parse(tenant.as_str()), Ok(tenant));
    }

    #[test]
    fn names_outside_their_character_set_are_refused() {
        for bad in [
            "",
            "Upper",
            "a/b",
            "a b",
            "-a",
            "..",
            &"x".repeat(65),
            "é",
            "a#b",
        ] {
            assert!(PoolName::parse(bad).is_err(), "{bad}");
        }
        assert!(PoolName::parse("linux-x86_64.2").is_ok());
    }

    #[test]
    fn hostile_text_is_refused() {
        for bad in [
            "a\r\nb",
            "\u{202e}evil",
            "zero\u{200b}width",
            "ghp_abcdef",
            "AKIAIOSFODNN7EXAMPLE",
            "",
        ] {
            assert!(ShortText::parse(bad).is_err(), "{bad:?}");
        }
    }
}
