//! Keys that requests are signed with.

use super::agent_credentials::AgentCredential;
use super::item::key_ttl;
use super::{Creation, KEY_SORT, KeyId, Subject, Verified, partition};
use crate::call::{Item, from_item, key, string, to_item};
use crate::keys;
use crate::schema::TableKind;
use crate::{Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use wire::{PoolName, SigningAlgorithm, TenantId, Timestamp};

/// What a signature is verified with.
#[derive(Clone, PartialEq, Eq)]
pub enum VerifyingMaterial {
    /// The public key.
    Ed25519([u8; 32]),
    /// The key itself, encrypted.
    HmacSha256(Vec<u8>),
}

impl std::fmt::Debug for VerifyingMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.algorithm().as_str())
    }
}

impl VerifyingMaterial {
    /// How requests are signed.
    pub fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ed25519(_) => SigningAlgorithm::Ed25519,
            Self::HmacSha256(_) => SigningAlgorithm::HmacSha256,
        }
    }
}

/// A new signing key.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Its key id.
    pub key_id: KeyId,
    /// What signatures are verified with.
    pub material: VerifyingMaterial,
    /// A name, for people.
    pub name: String,
    /// The only pool that its agents may join.
    pub pool: PoolName,
    /// Who created it.
    pub created_by: String,
    /// When it ends, and with it every session derived from it; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

/// A signing key that is good. That a request was signed with it is yet to be seen.
#[derive(Debug, Clone)]
pub struct UnverifiedSigner {
    material: VerifyingMaterial,
    verified: Verified,
}

impl UnverifiedSigner {
    /// What is kept of the key, encrypted, if it has to be opened before anything is verified with it.
    pub fn sealed(&self) -> Option<&[u8]> {
        match &self.material {
            VerifyingMaterial::HmacSha256(sealed) => Some(sealed),
            VerifyingMaterial::Ed25519(_) => None,
        }
    }

    /// Whose request it is, if `verify` says that it is signed with the key.
    pub fn verify(
        self,
        verify: impl FnOnce(&VerifyingMaterial, &TenantId) -> bool,
    ) -> Option<Verified> {
        verify(&self.material, self.verified.scope.tenant()).then_some(self.verified)
    }
}

#[derive(Serialize, Deserialize)]
struct SigningKeyItem {
    pk: String,
    sk: String,
    kind: String,
    tenant: TenantId,
    name: String,
    pool: PoolName,
    algorithm: SigningAlgorithm,
    /// Base64: the public key, or the key encrypted.
    material: String,
    created_by: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lpk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lsk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_seconds: Option<i64>,
}

impl SigningKeyItem {
    fn material(&self) -> Option<VerifyingMaterial> {
        let bytes = BASE64.decode(self.material.as_bytes()).ok()?;
        Some(match self.algorithm {
            SigningAlgorithm::Ed25519 => VerifyingMaterial::Ed25519(bytes.try_into().ok()?),
            SigningAlgorithm::HmacSha256 => VerifyingMaterial::HmacSha256(bytes),
        })
    }
}

impl TenantStore<'_> {
    /// Creates a signing key.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_signing_key(
        &self,
        new: &NewSigningKey,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Creation, StoreError> {
        const OPERATION: &str = "create_signing_key";
        let material = match &new.material {
            VerifyingMaterial::Ed25519(public) => BASE64.encode(public),
            VerifyingMaterial::HmacSha256(sealed) => BASE64.encode(sealed),
        };
        let item = SigningKeyItem {
            pk: partition(&new.key_id),
            sk: KEY_SORT.to_owned(),
            kind: AgentCredential::SigningKey.word().to_owned(),
            tenant: self.scope.tenant().clone(),
            name: new.name.clone(),
            pool: new.pool.clone(),
            algorithm: new.material.algorithm(),
            material,
            created_by: new.created_by.clone(),
            created_at: now.as_millis(),
            expires_at: new.expires_at.map(Timestamp::as_millis),
            revoked_at: None,
            lpk: Some(self.scope.signing_keys()),
            lsk: Some(keys::dated(now, new.key_id.as_str())),
            expires_at_seconds: new.expires_at.map(key_ttl),
        };
        let there = self
            .store
            .put_new_item(
                OPERATION,
                TableKind::Credentials,
                to_item(OPERATION, &item)?,
                write_id,
            )
            .await?;
        Ok(match there {
            None => Creation::Created,
            Some(_) => Creation::KeyIdTaken,
        })
    }
}

impl Store {
    /// The signing key of that id, if it is good. Costs one eventually consistent read; registering is on the condition that
    /// it is still good.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn signing_key(
        &self,
        key_id: &KeyId,
        now: Timestamp,
    ) -> Result<Option<UnverifiedSigner>, StoreError> {
        const OPERATION: &str = "authenticate";
        let answer = self
            .client
            .get_item()
            .table_name(self.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.count_read(OPERATION, answer.consumed_capacity());
        let kind = string(AgentCredential::SigningKey.word());
        let is_one = |item: &Item| item.get("kind") == Some(&kind);
        let Some(item) = answer.item.filter(is_one) else {
            return Ok(None);
        };
        let item: SigningKeyItem = from_item(OPERATION, item)?;
        let good =
            item.revoked_at.is_none() && item.expires_at.is_none_or(|end| now.as_millis() < end);
        if !good {
            return Ok(None);
        }
        let material = item
            .material()
            .ok_or_else(|| StoreError::unreadable(OPERATION, "the material of a signing key"))?;
        Ok(Some(UnverifiedSigner {
            material,
            verified: Verified {
                scope: TenantScope::new(item.tenant),
                key_id: key_id.clone(),
                subject: Subject::AgentKey { pool: item.pool },
                scopes: Vec::new(),
                expires_at: item.expires_at.map(Timestamp::from_millis),
            },
        }))
    }
}
