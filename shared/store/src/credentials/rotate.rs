//! A token's secret is replaced, and the old one stays good for a while.

use super::item::{KeyItem, NewKey, key_ttl};
use super::tokens::{ApiToken, read_token};
use super::{CredentialKind, KEY_SORT, KeyId, partition};
use crate::call::{from_item, key, number, string, to_item};
use crate::schema::{TTL, TableKind};
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use wire::Timestamp;

const OPERATION: &str = "rotate_token";

/// How often it is tried when others get in the way.
const MAX_TRIES: usize = 8;

/// For how many seconds a token that is replaced stays good at most.
pub(super) const MAX_OVERLAP_SECONDS: i64 = 24 * 3600;

/// The secret that takes another's place.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// The key id of the new token. A person's begins with the handle of their membership.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// When it ends; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The new token, of the same name, scopes and person. Asking for the same once more gives the same answer.
    Rotated(ApiToken),
    /// It was replaced before, by this one: that is the one to replace now.
    RotatedBefore(KeyId),
    /// It is revoked or has ended.
    NotGood,
    /// Another credential has that key id: take another.
    KeyIdTaken,
}

impl TenantStore<'_> {
    /// Replaces a token by a new one with the same name, scopes and person. The old one ends after `overlap_seconds`, 24 h at
    /// most, or when it would have ended anyway; at once for 0.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rotate_api_token(
        &self,
        seen: &ApiToken,
        new: &NewSecret,
        overlap_seconds: i64,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Rotation, StoreError> {
        let end = now.plus_seconds(overlap_seconds.clamp(0, MAX_OVERLAP_SECONDS));
        let mut refused = false;
        for _ in 0..MAX_TRIES {
            let Some(old) = self.key_item(OPERATION, &seen.key_id).await? else {
                return Ok(Rotation::NotGood);
            };
            let old: KeyItem = from_item(OPERATION, old)?;
            if let Some(successor) = &old.rotated_to {
                return self.rotated_before(successor, new).await;
            }
            if old.kind != CredentialKind::ApiToken || !old.is_good(now) {
                return Ok(Rotation::NotGood);
            }
            // The old token is as it should be, so what did not hold was the condition on the new one.
            if refused {
                return Ok(Rotation::KeyIdTaken);
            }
            let writes = self.replacing(&old, &seen.key_id, new, (now, end))?;
            // Whatever became of it, the next turn finds it.
            let became = self.store.transact(OPERATION, writes, write_id).await?;
            refused = matches!(became, Transacted::Stale);
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others kept changing the token".to_owned(),
        })
    }

    /// What a rotation that was there before has made: this very one, if it bears the same secret.
    async fn rotated_before(
        &self,
        successor: &KeyId,
        new: &NewSecret,
    ) -> Result<Rotation, StoreError> {
        let before = Rotation::RotatedBefore(successor.clone());
        if *successor != new.key_id {
            return Ok(before);
        }
        let Some(item) = self.key_item(OPERATION, successor).await? else {
            return Ok(before);
        };
        let made: KeyItem = from_item(OPERATION, item.clone())?;
        if made.secret_sha256 != new.secret_sha256 {
            return Ok(before);
        }
        Ok(read_token(item)?.map_or(before, Rotation::Rotated))
    }

    /// The new token, and the end of the old one.
    pub(super) fn replacing(
        &self,
        old: &KeyItem,
        old_id: &KeyId,
        new: &NewSecret,
        (now, end): (Timestamp, Timestamp),
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let token = NewKey {
            key_id: &new.key_id,
            kind: old.kind,
            secret_sha256: new.secret_sha256,
            name: &old.name,
            created_by: &old.created_by,
            expires_at: new.expires_at,
            listed_under: if old.kind == CredentialKind::AgentKey {
                self.scope.agent_keys()
            } else {
                self.scope.api_tokens()
            },
        };
        let token = KeyItem {
            scopes: old.scopes.clone(),
            pool: old.pool.clone(),
            member: old.member.clone(),
            ..KeyItem::new(self.scope.tenant(), token, now)
        };
        let table = self.store.tables.name(TableKind::Credentials);
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(to_item(OPERATION, &token)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let end = old
            .expires_at
            .map_or(end, |ends| end.min(Timestamp::from_millis(ends)));
        // What is replaced at once is as what is revoked, and so it leaves the list: however often somebody does it, the list
        // gets no longer.
        let change = if old.kind == CredentialKind::ApiToken && end <= now {
            "SET expires_at = :end, rotated_to = :new, #ttl = :ttl REMOVE lpk, lsk"
        } else {
            "SET expires_at = :end, rotated_to = :new, #ttl = :ttl"
        };
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key(partition(old_id), KEY_SORT)))
            .update_expression(change)
            .condition_expression(
                "tenant = :tenant AND attribute_not_exists(revoked_at) \
                 AND attribute_not_exists(rotated_to) \
                 AND (attribute_not_exists(expires_at) OR expires_at > :now)",
            )
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":end", number(end.as_millis()))
            .expression_attribute_values(":new", string(new.key_id.as_str()))
            .expression_attribute_values(":ttl", number(key_ttl(end)))
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        Ok(vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().update(update).build(),
        ])
    }
}
