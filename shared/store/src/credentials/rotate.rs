//! The secret of an API token or an agent key is replaced, and the old one stays good for a while.

use super::agent_credentials::{AgentCredential, AgentCredentialEntry, read_entry};
use super::authenticate::REMEMBERED_MILLIS;
use super::item::{KeyItem, NewKey, key_ttl};
use super::tokens::{API_TOKEN, ApiToken, read_token};
use super::{CredentialKind, KEY_SORT, KeyId, partition};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::schema::{TTL, TableKind};
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use wire::Timestamp;

/// How often it is tried when others get in the way.
const MAX_TRIES: usize = 8;

/// For how many seconds what is replaced stays good at most.
const MAX_OVERLAP_SECONDS: i64 = 24 * 3600;

/// For how many seconds an agent key that is replaced stays good at least, if it does not end at once: a process that
/// remembers it remembers its former end as well, and would take it for longer than was asked for. An API token is read at
/// each request, so that it may stay good for as short as one likes.
pub const LEAST_OVERLAP_SECONDS: u32 = 300;
const _: () = assert!(LEAST_OVERLAP_SECONDS as i64 * 1000 >= REMEMBERED_MILLIS);

/// The secret that takes another's place.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// The key id of what is new. That of a person's token begins with the handle of their membership.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// When it ends; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation<T> {
    /// What took its place, and does the same. Asking for the same once more gives the same answer.
    Rotated(T),
    /// It was replaced before, by this one: that is the one to replace now.
    RotatedBefore(KeyId),
    /// It is revoked or has ended.
    NotGood,
    /// The tenant has none of that kind and id.
    Unknown,
    /// Another credential has that key id: take another.
    KeyIdTaken,
}

impl<T> Rotation<T> {
    /// The same of something else.
    fn try_map<U>(
        self,
        read: impl FnOnce(T) -> Result<Option<U>, StoreError>,
    ) -> Result<Rotation<U>, StoreError> {
        Ok(match self {
            Self::Rotated(made) => read(made)?.map_or(Rotation::Unknown, Rotation::Rotated),
            Self::RotatedBefore(successor) => Rotation::RotatedBefore(successor),
            Self::NotGood => Rotation::NotGood,
            Self::Unknown => Rotation::Unknown,
            Self::KeyIdTaken => Rotation::KeyIdTaken,
        })
    }
}

/// What is to be replaced.
struct Replaced<'a> {
    operation: &'static str,
    /// The word for its kind in items.
    kind: &'static str,
    key_id: &'a KeyId,
}

impl TenantStore<'_> {
    /// Replaces a token by a new one with the same name, scopes and person. The old one ends after `overlap_seconds`, 24 h at
    /// most, or when it would have ended anyway; at once for 0.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rotate_api_token(
        &self,
        key_id: &KeyId,
        new: &NewSecret,
        overlap_seconds: i64,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Rotation<ApiToken>, StoreError> {
        let replaced = Replaced {
            operation: "rotate_token",
            kind: API_TOKEN,
            key_id,
        };
        let end = now.plus_seconds(overlap_seconds.clamp(0, MAX_OVERLAP_SECONDS));
        let rotated = self.rotate(replaced, new, (now, end), write_id).await?;
        rotated.try_map(read_token)
    }

    /// Replaces an agent key by a new one with the same name and pool. The old one, and with it the agents that registered
    /// with it, ends after `overlap_seconds`, [`LEAST_OVERLAP_SECONDS`] to 24 h, or when it would have ended anyway. For an end
    /// at once, 0, revoke the old one afterwards: that also gives its agents' jobs back.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rotate_agent_key(
        &self,
        key_id: &KeyId,
        new: &NewSecret,
        overlap_seconds: i64,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Rotation<AgentCredentialEntry>, StoreError> {
        let replaced = Replaced {
            operation: "rotate_agent_key",
            kind: AgentCredential::Key.word(),
            key_id,
        };
        let end = now.plus_seconds(overlap_seconds.clamp(0, MAX_OVERLAP_SECONDS));
        let rotated = self.rotate(replaced, new, (now, end), write_id).await?;
        rotated.try_map(|made| read_entry(made).map(Some))
    }

    async fn rotate(
        &self,
        replaced: Replaced<'_>,
        new: &NewSecret,
        (now, end): (Timestamp, Timestamp),
        write_id: &WriteId,
    ) -> Result<Rotation<Item>, StoreError> {
        let operation = replaced.operation;
        let mut refused = false;
        for _ in 0..MAX_TRIES {
            // Other kinds have other attributes.
            let old = self
                .key_item(operation, replaced.key_id)
                .await?
                .filter(|old| old.get("kind") == Some(&string(replaced.kind)));
            let Some(old) = old else {
                return Ok(Rotation::Unknown);
            };
            let old: KeyItem = from_item(operation, old)?;
            if let Some(successor) = &old.rotated_to {
                return self.rotated_before(operation, successor, new).await;
            }
            if !old.is_good(now) {
                return Ok(Rotation::NotGood);
            }
            // The old one is as it should be, so what did not hold was the condition on the new one.
            if refused {
                return Ok(Rotation::KeyIdTaken);
            }
            let writes = self.replacing((&replaced, &old), new, (now, end))?;
            // Whatever became of it, the next turn finds it.
            let became = self.store.transact(operation, writes, write_id).await?;
            refused = matches!(became, Transacted::Stale);
        }
        Err(StoreError::Busy {
            operation,
            reason: "others kept changing it".to_owned(),
        })
    }

    /// What a rotation that was there before has made: this very one, if it bears the same secret.
    async fn rotated_before(
        &self,
        operation: &'static str,
        successor: &KeyId,
        new: &NewSecret,
    ) -> Result<Rotation<Item>, StoreError> {
        let before = Rotation::RotatedBefore(successor.clone());
        if *successor != new.key_id {
            return Ok(before);
        }
        let Some(item) = self.key_item(operation, successor).await? else {
            return Ok(before);
        };
        let made: KeyItem = from_item(operation, item.clone())?;
        Ok(if made.secret_sha256 == new.secret_sha256 {
            Rotation::Rotated(item)
        } else {
            before
        })
    }

    /// What is new, and the end of what is old.
    fn replacing(
        &self,
        (replaced, old): (&Replaced<'_>, &KeyItem),
        new: &NewSecret,
        (now, end): (Timestamp, Timestamp),
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let unbuilt = |error| StoreError::unreadable(replaced.operation, error);
        let successor = NewKey {
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
        let successor = KeyItem {
            scopes: old.scopes.clone(),
            pool: old.pool.clone(),
            member: old.member.clone(),
            ..KeyItem::new(self.scope.tenant(), successor, now)
        };
        let table = self.store.tables.name(TableKind::Credentials);
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(to_item(replaced.operation, &successor)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(unbuilt)?;
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
            .set_key(Some(key(partition(replaced.key_id), KEY_SORT)))
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
            .map_err(unbuilt)?;
        Ok(vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().update(update).build(),
        ])
    }
}
