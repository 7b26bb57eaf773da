//! Credentials: API tokens, agent keys, and the sessions derived from keys. Only hashes of secrets are kept.
//!
//! A key or token is found by its key id, which an unverified caller presents, so its item cannot stand under a tenant;
//! the tenant is in the item. A session stands in the partition of the key that it was derived from, so that one
//! call reads both: a revoked key ends its sessions at their next call. The key id of a person's token begins with the handle
//! of their membership, so that one call reads both: it may never do more than the person may now.

mod agent_credentials;
mod authenticate;
mod enrolment;
mod item;
mod membership;
mod registration;
mod revoke;
mod rotate;
mod signing_keys;
#[cfg(test)]
mod tests;
mod tokens;
mod trust_rules;
mod write;

pub use agent_credentials::{
    AgentCredential, AgentCredentialEntry, AgentCredentialPage, AgentCredentialPosition,
};
pub use enrolment::NewEnrolment;
pub use registration::{Proof, Registration, UsedOnce};
pub use revoke::Revocation;
pub use rotate::{LEAST_OVERLAP_SECONDS, NewSecret, Rotation};
pub use signing_keys::{NewSigningKey, UnverifiedSigner, VerifyingMaterial};
pub use tokens::{ApiToken, ApiTokenPage, TokenCounts, TokenPosition};
pub use trust_rules::{MAX_TRUST_RULES, TrustRule, TrustRuleCreation, UnverifiedWorkload};
pub use write::{Creation, NewAgentKey, NewApiToken};

use crate::{PersonScope, TenantScope};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fmt;
use wire::{AgentId, PoolName, Role, SessionId, Timestamp, UserId};

/// The public part of a credential: 12 of `a-z 0-9`. It may be logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// Text that is not a key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 12 of a-z 0-9")]
pub struct NotAKeyId;

impl KeyId {
    /// How many characters a key id has.
    pub const LENGTH: usize = 12;

    /// Checks the text.
    ///
    /// # Errors
    /// [`NotAKeyId`].
    pub fn parse(text: &str) -> Result<Self, NotAKeyId> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
        if text.len() == Self::LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAKeyId)
        }
    }

    /// The key id made of twelve random bytes.
    pub fn new(random: [u8; Self::LENGTH]) -> Self {
        Self(characters(&random))
    }

    pub(crate) fn from_checked(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = NotAKeyId;

    fn try_from(text: String) -> Result<Self, NotAKeyId> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// Random bytes as `a-z 0-9`.
pub(crate) fn characters(random: &[u8]) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

/// What kind of credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialKind {
    /// A person's or a service's token, with explicit scopes.
    ApiToken,
    /// The key that agents of one pool register with.
    AgentKey,
    /// What an agent works with once it has registered. It bears the key id of the agent key it was derived from.
    AgentSession,
    /// What a person works with once they have signed in. Its key id begins with the handle of their membership.
    PersonSession,
    /// What an agent registers with once, or a relay brings its key with.
    Enrolment,
    /// What makes a person a member, once.
    Invitation,
    /// What a relay signs with. Nobody bears it.
    RelayKey,
}

impl CredentialKind {
    /// The word for it in items.
    const fn word(self) -> &'static str {
        match self {
            Self::ApiToken => "API_TOKEN",
            Self::AgentKey => "AGENT_KEY",
            Self::AgentSession => "AGENT_SESSION",
            Self::PersonSession => "PERSON_SESSION",
            Self::Enrolment => "ENROLMENT",
            Self::Invitation => "INVITATION",
            Self::RelayKey => "RELAY_KEY",
        }
    }
}

/// A credential as a caller presents it: well formed, and nothing more is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// What kind it claims to be.
    pub kind: CredentialKind,
    /// Its key id; of a session, its parent's.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
}

impl Presented {
    /// The session that this is, if it is one.
    pub fn session(&self) -> SessionKey {
        SessionKey {
            parent: self.key_id.clone(),
            secret_sha256: self.secret_sha256,
        }
    }
}

/// Names one agent session. It holds no secret, so an agent's item may keep it to end the session later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    /// The agent key, or whatever else the agent registered with, that it was derived from.
    pub parent: KeyId,
    /// The SHA-256 of its secret.
    #[serde(with = "hex")]
    pub secret_sha256: [u8; 32],
}

/// What stands behind a verified credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An API token.
    Token {
        /// The name that its creator gave it.
        name: String,
        /// The person whose it is; none for a token that no person made.
        member: Option<TokenMember>,
    },
    /// A person who has signed in.
    Person {
        /// The right to the person's own data.
        person: PersonScope,
        /// What they are in the organisation, now.
        role: Role,
        /// The public id of their session.
        session_id: SessionId,
    },
    /// The bearer of an agent key, or of whatever else agents register with.
    AgentKey {
        /// The only pool that its agents may join.
        pool: PoolName,
    },
    /// A registered agent.
    AgentSession {
        /// The agent.
        agent_id: AgentId,
        /// Its pool.
        pool: PoolName,
    },
}

/// The person whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMember {
    /// The person.
    pub user_id: UserId,
    /// What they are in the organisation, now.
    pub role: Role,
}

/// A credential that is known, whose secret was right, and which is neither revoked nor expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// Its key id; of a session, its parent's.
    pub key_id: KeyId,
    /// Who it is.
    pub subject: Subject,
    /// What an API token may do, in the words it was created with. Empty for persons and agents: what they may do follows
    /// from what they are.
    pub scopes: Vec<String>,
    /// When it ends, unless it is renewed.
    pub expires_at: Option<Timestamp>,
}

/// The partition of a key and of the sessions derived from it.
pub(crate) fn partition(key: &KeyId) -> String {
    format!("K#{key}")
}

/// The sort key of the key itself.
pub(crate) const KEY_SORT: &str = "K";

/// The sort key of a session.
fn session_sort(secret_sha256: &[u8; 32]) -> String {
    format!("S#{}", HEXLOWER.encode(secret_sha256))
}

/// Hashes as hexadecimal text.
pub(crate) mod hex {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        hash: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| serde::de::Error::custom("not 64 hexadecimal digits"))
    }
}
