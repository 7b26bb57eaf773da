//! The record of who did what: one record for each change, chained to the one before it by its hash.
//!
//! What a hash is taken of is laid down here and nowhere else, so that the control plane, which writes records, and the
//! program with which a customer verifies them cannot come to differ.

mod action;
mod canonical;
mod verify;

pub use action::{Action, UnknownAction};
pub use canonical::digest_of;
pub use verify::{
    Broken, ChainFault, Expected, Head, MalformedHead, Verdict, Verifier, Whole, verify,
};

use crate::{Sha256Hex, TenantId, Timestamp};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// What every hashed text begins with, so that no record is mistaken for anything else that is hashed.
const DOMAIN: &str = "hybrid-ci audit record 1";

/// Facts about a change beside its hashes, by name.
pub type Detail = BTreeMap<String, String>;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AuditOutcome))]
pub enum Outcome {
    /// It was made.
    Done,
    /// It was begun, and whoever began it did not live to say how it ended: it was made, or it was not.
    Unknown,
}

impl Outcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "DONE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What a record says, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// When the change was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// With which credential, by its public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// What was done: the word of an [`Action`].
    pub action: String,
    /// To what.
    pub resource: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The hash of what was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_sha256: Option<Sha256Hex>,
    /// The hash of what was there afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_sha256: Option<Sha256Hex>,
    /// The request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Facts about it.
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
}

/// The end of a chain: what the next record is chained to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number of the last record; 0 before the first.
    pub sequence: u64,
    /// Its hash; zeros before the first.
    pub hash: Sha256Hex,
}

impl Link {
    /// Before the first record.
    pub fn start() -> Self {
        Self {
            sequence: 0,
            hash: Sha256Hex::from_digest([0; 32]),
        }
    }
}

/// One record of an organisation's chain. It is immutable: its hash covers everything else in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AuditRecord))]
pub struct Record {
    /// Its number. The first one is 1, and none is left out.
    pub sequence: u64,
    /// The organisation.
    pub tenant_id: TenantId,
    /// When the change was made.
    #[serde(deserialize_with = "time_as_written")]
    pub at: Timestamp,
    /// Who made it: `user:<id>`, `token:<key id>`, `agent:<id>`, `relay:<id>`, `key:<key id>` or `system:maintenance`.
    #[cfg_attr(feature = "openapi", schema(example = "token:k3x9m2q7w1zt"))]
    pub actor: String,
    /// With which credential, by its public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<String>,
    /// What was done.
    #[cfg_attr(feature = "openapi", schema(example = "job.cancel"))]
    pub action: String,
    /// To what, as its kind and its id.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "job:job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE")
    )]
    pub resource: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The hash of what was there before, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_sha256: Option<Sha256Hex>,
    /// The hash of what was there afterwards, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_sha256: Option<Sha256Hex>,
    /// The request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Facts about it.
    #[serde(
        default,
        skip_serializing_if = "Detail::is_empty",
        deserialize_with = "each_name_once"
    )]
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub detail: Detail,
    /// The hash of the record before; zeros in the first.
    pub previous_hash: Sha256Hex,
    /// The hash of this one.
    pub hash: Sha256Hex,
}

impl Record {
    /// The record that follows the end of a chain.
    pub fn following(end: &Link, tenant_id: TenantId, draft: Draft) -> Self {
        let mut record = Self {
            sequence: end.sequence + 1,
            tenant_id,
            at: draft.at,
            actor: draft.actor,
            credential_id: draft.credential_id,
            action: draft.action,
            resource: draft.resource,
            outcome: draft.outcome,
            before_sha256: draft.before_sha256,
            after_sha256: draft.after_sha256,
            request_id: draft.request_id,
            address: draft.address,
            detail: draft.detail,
            previous_hash: end.hash.clone(),
            hash: end.hash.clone(),
        };
        record.hash = record.computed_hash();
        record
    }

    /// The end of the chain if this is its last record.
    pub fn link(&self) -> Link {
        Link {
            sequence: self.sequence,
            hash: self.hash.clone(),
        }
    }

    /// What the hash is taken of: every field but the hash itself, in one order, each with its length in front, so that
    /// no two records share their bytes.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(768);
        let texts = [
            Some(DOMAIN),
            Some(&*self.sequence.to_string()),
            Some(self.tenant_id.as_str()),
            Some(&*self.at.to_string()),
            Some(&*self.actor),
            self.credential_id.as_deref(),
            Some(&*self.action),
            Some(&*self.resource),
            Some(self.outcome.as_str()),
            self.before_sha256.as_ref().map(Sha256Hex::as_str),
            self.after_sha256.as_ref().map(Sha256Hex::as_str),
            self.request_id.as_deref(),
            self.address.as_deref(),
            Some(&*self.detail.len().to_string()),
        ];
        for text in texts {
            add(&mut bytes, text);
        }
        for (name, value) in &self.detail {
            add(&mut bytes, Some(name));
            add(&mut bytes, Some(value));
        }
        add(&mut bytes, Some(self.previous_hash.as_str()));
        bytes
    }

    /// The hash that belongs to what the record says.
    pub fn computed_hash(&self) -> Sha256Hex {
        Sha256Hex::from_digest(Sha256::digest(self.canonical_bytes()).into())
    }
}

/// One field: a 0 where there is none, otherwise a 1, the length in bytes as eight bytes, the highest first, and the text.
fn add(bytes: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        bytes.push(0);
        return;
    };
    bytes.push(1);
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// A time in the one spelling that records are written in: another one would be a change that the hash does not show.
fn time_as_written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let time = Timestamp::deserialize(serde::de::value::CowStrDeserializer::new(text.clone()))?;
    if time.to_string() == text {
        Ok(time)
    } else {
        Err(D::Error::custom(format!(
            "the time is not written as {time}"
        )))
    }
}

/// Names and values, each name once: a second value of the same name would hide behind the first, or the other way round.
fn each_name_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Detail, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = Detail;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("names and texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Detail, A::Error> {
            let mut detail = Detail::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                if detail.insert(name, value).is_some() {
                    return Err(A::Error::custom("a name in `detail` stands there twice"));
                }
            }
            Ok(detail)
        }
    }

    deserializer.deserialize_map(EachOnce)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use std::fmt::Write;

    /// The example of the documentation, so that whoever writes a verifier of their own has something to compare with.
    fn example() -> Record {
        let draft = Draft {
            at: Timestamp::from_millis(1_767_225_600_000),
            actor: "token:k3x9m2q7w1zt".to_owned(),
            credential_id: Some("k3x9m2q7w1zt".to_owned()),
            action: Action::JobReprioritise.as_str().to_owned(),
            resource: "job:job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE".to_owned(),
            outcome: Outcome::Done,
            before_sha256: Some(Sha256Hex::from_digest([0xbe; 32])),
            after_sha256: Some(Sha256Hex::from_digest([0xaf; 32])),
            request_id: Some("6f1d".to_owned()),
            address: None,
            detail: Detail::from([("priority".to_owned(), "HIGH".to_owned())]),
        };
        Record::following(&Link::start(), TenantId::parse("acme").unwrap(), draft)
    }

    #[test]
    fn the_hash_is_that_of_the_documentation() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md"))
                .unwrap();
        let line = serde_json::to_string(&example()).unwrap();
        assert!(
            page.contains(&line),
            "docs/audit.md lacks the example:\n{line}"
        );
        let bytes = example().canonical_bytes();
        let mut shown = String::new();
        for byte in bytes {
            write!(shown, "{byte:02x}").unwrap();
        }
        let in_page: String = page.split_whitespace().collect();
        assert!(
            in_page.contains(&shown),
            "docs/audit.md lacks the bytes:\n{shown}"
        );
    }

    #[test]
    fn a_record_is_read_back_from_its_line() {
        let line = serde_json::to_string(&example()).unwrap();
        let read: Record = serde_json::from_str(&line).unwrap();
        assert_eq!(read, example());
        assert_eq!(read.hash, read.computed_hash());
    }

    #[test]
    fn what_the_hash_would_not_show_cannot_be_read() {
        let line = serde_json::to_string(&example()).unwrap();
        for (from, to) in [
            // Another spelling of the same time, and a fraction that a millisecond does not hold.
            ("00:00.000Z", "00:00.000+00:00"),
            ("00:00.000Z", "00:00.0004Z"),
            // A second value of one name.
            (
                r#""priority":"HIGH""#,
                r#""priority":"LOW","priority":"HIGH""#,
            ),
            (r#""actor":"#, r#""actor":"user:else","actor":"#),
            // A field that no record has.
            (r#"{"sequence""#, r#"{"note":"x","sequence""#),
            (r#""DONE""#, r#""done""#),
            ("bebe", "BEBE"),
        ] {
            let altered = line.replacen(from, to, 1);
            assert_ne!(altered, line, "{from}");
            assert!(serde_json::from_str::<Record>(&altered).is_err(), "{to}");
        }
    }

    #[test]
    fn text_cannot_move_from_one_field_to_the_next() {
        let mut moved = example();
        moved.actor.push_str("job.");
        moved.action = moved.action.replacen("job.", "", 1);
        assert_ne!(moved.canonical_bytes(), example().canonical_bytes());
        let mut none = example();
        none.request_id = None;
        let mut empty = example();
        empty.request_id = Some(String::new());
        assert_ne!(none.canonical_bytes(), empty.canonical_bytes());
    }
}
