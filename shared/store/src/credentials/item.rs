//! Credentials as items.

use super::{CredentialKind, KEY_SORT, KeyId, SessionKey, hex, partition, session_sort};
use crate::keys::dated;
use serde::{Deserialize, Serialize};
use wire::{AgentId, PoolName, TenantId, Timestamp, UserId};

/// An API token or an agent key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyItem {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) kind: CredentialKind,
    pub(super) tenant: TenantId,
    #[serde(with = "hex")]
    pub(super) secret_sha256: [u8; 32],
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pool: Option<PoolName>,
    pub(super) created_by: String,
    /// Milliseconds, as every time in this table but the time to live.
    pub(super) created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_used_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_by: Option<String>,
    /// The person whose it is. It may never do more than they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) member: Option<UserId>,
    /// What took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rotated_to: Option<KeyId>,
    /// Partition and sort key of the `list` index, while it is not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lpk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lsk: Option<String>,
    /// Time to live, of one that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at_seconds: Option<i64>,
}

/// What every key and token has.
pub(super) struct NewKey<'a> {
    pub(super) key_id: &'a KeyId,
    pub(super) kind: CredentialKind,
    pub(super) secret_sha256: [u8; 32],
    pub(super) name: &'a str,
    pub(super) created_by: &'a str,
    pub(super) expires_at: Option<Timestamp>,
    /// The partition of the list that it stands in.
    pub(super) listed_under: String,
}

impl KeyItem {
    pub(super) fn new(tenant: &TenantId, new: NewKey<'_>, now: Timestamp) -> Self {
        let (pk, sk) = Self::keys(new.key_id);
        Self {
            pk,
            sk,
            kind: new.kind,
            tenant: tenant.clone(),
            secret_sha256: new.secret_sha256,
            name: new.name.to_owned(),
            scopes: Vec::new(),
            pool: None,
            created_by: new.created_by.to_owned(),
            created_at: now.as_millis(),
            expires_at: new.expires_at.map(Timestamp::as_millis),
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
            member: None,
            rotated_to: None,
            lpk: Some(new.listed_under),
            lsk: Some(dated(now, new.key_id.as_str())),
            expires_at_seconds: new.expires_at.map(key_ttl),
        }
    }

    pub(super) fn keys(key: &KeyId) -> (String, String) {
        (partition(key), KEY_SORT.to_owned())
    }

    /// Its key id.
    pub(super) fn key_id(&self) -> Option<KeyId> {
        KeyId::parse(self.pk.strip_prefix("K#")?).ok()
    }

    /// Whether it is good at that moment.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now.as_millis() < end)
    }
}

/// A session of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SessionItem {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) tenant: TenantId,
    #[serde(with = "hex")]
    pub(super) secret_sha256: [u8; 32],
    pub(super) agent_id: AgentId,
    pub(super) pool: PoolName,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    /// Time to live. DynamoDB may be days late with it; [`SessionItem::is_good`] is not.
    pub(super) expires_at_seconds: i64,
}

impl SessionItem {
    pub(super) fn keys(session: &SessionKey) -> (String, String) {
        (
            partition(&session.parent),
            session_sort(&session.secret_sha256),
        )
    }

    /// Whether it is good at that moment, as far as the session itself goes.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now.as_millis() < self.expires_at
    }
}

/// When DynamoDB may delete a key or token: 30 days after its end, so that people see for a while what has ended.
pub(super) fn key_ttl(ended_at: Timestamp) -> i64 {
    ended_at.plus_seconds(30 * 24 * 3600).as_millis() / 1000
}

/// When DynamoDB may delete a session: an hour after its end, so that a session just ended can still be looked at.
pub(super) fn session_ttl(expires_at: Timestamp) -> i64 {
    expires_at.plus_seconds(3600).as_millis() / 1000
}
