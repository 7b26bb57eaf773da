//! Credentials as items.

use super::{CredentialKind, KEY_SORT, KeyId, SessionKey, hex, partition, session_sort};
use serde::{Deserialize, Serialize};
use wire::{AgentId, PoolName, TenantId, Timestamp};

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
}

impl KeyItem {
    pub(super) fn keys(key: &KeyId) -> (String, String) {
        (partition(key), KEY_SORT.to_owned())
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

/// When DynamoDB may delete a session: an hour after its end, so that a session just ended can still be looked at.
pub(super) fn session_ttl(expires_at: Timestamp) -> i64 {
    expires_at.plus_seconds(3600).as_millis() / 1000
}
