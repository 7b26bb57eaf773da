//! Enrolment tokens: each registers one agent, soon.

use super::agent_credentials::AgentCredential;
use super::item::{KeyItem, NewKey};
use super::{Creation, CredentialKind, KEY_SORT, KeyId, Presented, Subject, Verified, partition};
use crate::call::{Item, from_item, key, string};
use crate::schema::TableKind;
use crate::{Store, StoreError, TenantScope, TenantStore};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use wire::{PoolName, TenantId, Timestamp};

/// A new enrolment token: as an agent key, but that it has an end in any case.
#[derive(Debug, Clone)]
pub struct NewEnrolment {
    /// Its key id.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// A name, for people.
    pub name: String,
    /// The only pool that its agent may join.
    pub pool: PoolName,
    /// Who created it.
    pub created_by: String,
    /// Until when an agent may register with it.
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
struct EnrolmentItem {
    tenant: TenantId,
    pool: PoolName,
    #[serde(with = "super::hex")]
    secret_sha256: [u8; 32],
    expires_at: i64,
    #[serde(default)]
    revoked_at: Option<i64>,
    #[serde(default)]
    used_at: Option<i64>,
}

impl TenantStore<'_> {
    /// Creates an enrolment token.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_enrolment(
        &self,
        new: &NewEnrolment,
        now: Timestamp,
    ) -> Result<Creation, StoreError> {
        let key = NewKey {
            key_id: &new.key_id,
            kind: CredentialKind::Enrolment,
            secret_sha256: new.secret_sha256,
            name: &new.name,
            created_by: &new.created_by,
            expires_at: Some(new.expires_at),
            listed_under: self.scope.enrolments(),
        };
        self.create_key(KeyItem {
            pool: Some(new.pool.clone()),
            ..KeyItem::new(self.scope.tenant(), key, now)
        })
        .await
    }
}

impl Store {
    /// An enrolment token that somebody presents, if it is good and was not used. Reads it as it is now: it may have been made
    /// a moment ago. Registering is on the condition that it is still unused.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn enrolment(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<Verified>, StoreError> {
        const OPERATION: &str = "authenticate";
        let item_key = key(partition(&presented.key_id), KEY_SORT);
        let item = self
            .get_consistent(OPERATION, TableKind::Credentials, item_key)
            .await?;
        let kind = string(AgentCredential::Enrolment.word());
        let is_one = |item: &Item| item.get("kind") == Some(&kind);
        let Some(item) = item.filter(is_one) else {
            return Ok(None);
        };
        let item: EnrolmentItem = from_item(OPERATION, item)?;
        let right = bool::from(item.secret_sha256.ct_eq(&presented.secret_sha256));
        let good = item.revoked_at.is_none()
            && item.used_at.is_none()
            && now.as_millis() < item.expires_at;
        Ok((right && good).then(|| Verified {
            scope: TenantScope::new(item.tenant),
            key_id: presented.key_id.clone(),
            subject: Subject::AgentKey { pool: item.pool },
            scopes: Vec::new(),
            expires_at: Some(Timestamp::from_millis(item.expires_at)),
        }))
    }
}
