//! The keys that relays sign with, and the tokens that they are enrolled with.

use super::{MAX_TRIES, RELAY, unbuilt};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::credentials::{KEY_SORT, partition};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{KeyId, Presented, Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use wire::{RelayId, TenantId, Timestamp};

/// The kinds of items, beside those of agents and people.
const KEY_KIND: &str = "RELAY_KEY";
const ENROLMENT_KIND: &str = "RELAY_ENROLMENT";

/// The attribute of a relay with the one token that its next key is brought with.
pub(super) const ENROLMENT: &str = "enrolment";

/// What a new key is brought with.
enum With<'a> {
    /// A token.
    Token(&'a KeyId),
    /// A signature of the key that the relay signs with now.
    Key(&'a KeyId),
}

/// A token with which a relay brings one key.
#[derive(Debug, Clone)]
pub struct NewRelayEnrolment {
    /// Its key id.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// The relay.
    pub relay_id: RelayId,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// For how long what the relay had signed with before stays good, in seconds.
    pub overlap_seconds: i64,
}

/// A token with which a relay brings one key, in time at the moment of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayEnrolment {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// Its key id.
    pub key_id: KeyId,
    /// The relay.
    pub relay_id: RelayId,
    /// For how long what the relay had signed with before stays good, in seconds.
    pub overlap_seconds: i64,
    /// The key that was brought with it, if it is used up: whoever brings the same again has not had the answer.
    pub used_by: Option<KeyId>,
}

/// A new key of a relay.
#[derive(Debug, Clone)]
pub struct NewRelayKey {
    /// Its key id.
    pub key_id: KeyId,
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
    /// The relay.
    pub relay_id: RelayId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A key that a relay signs with, good at the moment of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayKey {
    /// The right to the tenant's data, for whoever's signature it verifies.
    pub scope: TenantScope,
    /// Its key id.
    pub key_id: KeyId,
    /// The relay.
    pub relay_id: RelayId,
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What became of a key that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayKeyRotation {
    /// It is there.
    Added,
    /// What it was brought with is not good any more, or was used, or the relay is gone.
    NotGood,
}

#[derive(Debug, Serialize, Deserialize)]
struct EnrolmentItem {
    pk: String,
    sk: String,
    kind: String,
    tenant: TenantId,
    relay_id: RelayId,
    #[serde(with = "crate::credentials::hex")]
    secret_sha256: [u8; 32],
    overlap_seconds: i64,
    created_at: i64,
    expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used_by: Option<KeyId>,
    expires_at_seconds: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyItem {
    pk: String,
    sk: String,
    kind: String,
    tenant: TenantId,
    relay_id: RelayId,
    public_key: String,
    created_at: i64,
    expires_at: i64,
    expires_at_seconds: i64,
}

/// When DynamoDB may delete what has ended: 30 days after, as with every credential.
fn ttl(end: Timestamp) -> i64 {
    end.plus_seconds(30 * 24 * 3600).as_millis() / 1000
}

impl Store {
    /// An enrolment token that somebody presents, if it has not ended. Enrolling is on the condition that it was not used.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn relay_enrolment(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<RelayEnrolment>, StoreError> {
        let Some(item) = self
            .relay_credential(&presented.key_id, ENROLMENT_KIND)
            .await?
        else {
            return Ok(None);
        };
        let item: EnrolmentItem = from_item("authenticate", item)?;
        let right = bool::from(item.secret_sha256.ct_eq(&presented.secret_sha256));
        let good = now.as_millis() < item.expires_at;
        Ok((right && good).then(|| RelayEnrolment {
            scope: TenantScope::new(item.tenant),
            key_id: presented.key_id.clone(),
            relay_id: item.relay_id,
            overlap_seconds: item.overlap_seconds,
            used_by: item.used_by,
        }))
    }

    /// The key of that id, if it has not ended. Whether its relay still signs with it, [`Relay::signs_with`] says.
    ///
    /// [`Relay::signs_with`]: domain::relay::Relay::signs_with
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn relay_key(
        &self,
        key_id: &KeyId,
        now: Timestamp,
    ) -> Result<Option<RelayKey>, StoreError> {
        const OPERATION: &str = "authenticate";
        let Some(item) = self.relay_credential(key_id, KEY_KIND).await? else {
            return Ok(None);
        };
        let item: KeyItem = from_item(OPERATION, item)?;
        if now.as_millis() >= item.expires_at {
            return Ok(None);
        }
        let bytes = BASE64.decode(item.public_key.as_bytes()).ok();
        let public_key = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| StoreError::unreadable(OPERATION, "a relay's public key"))?;
        Ok(Some(RelayKey {
            scope: TenantScope::new(item.tenant),
            key_id: key_id.clone(),
            relay_id: item.relay_id,
            public_key,
            expires_at: Timestamp::from_millis(item.expires_at),
        }))
    }

    async fn relay_credential(
        &self,
        key_id: &KeyId,
        kind: &str,
    ) -> Result<Option<Item>, StoreError> {
        let item_key = key(partition(key_id), KEY_SORT);
        let item = self
            .get_consistent("authenticate", TableKind::Credentials, item_key)
            .await?;
        Ok(item.filter(|item| item.get("kind") == Some(&string(kind))))
    }
}

impl TenantStore<'_> {
    pub(super) fn enrolment_item(
        &self,
        operation: &'static str,
        new: &NewRelayEnrolment,
        now: Timestamp,
    ) -> Result<Item, StoreError> {
        to_item(
            operation,
            &EnrolmentItem {
                pk: partition(&new.key_id),
                sk: KEY_SORT.to_owned(),
                kind: ENROLMENT_KIND.to_owned(),
                tenant: self.scope.tenant().clone(),
                relay_id: new.relay_id.clone(),
                secret_sha256: new.secret_sha256,
                overlap_seconds: new.overlap_seconds,
                created_at: now.as_millis(),
                expires_at: new.expires_at.as_millis(),
                used_at: None,
                used_by: None,
                expires_at_seconds: ttl(new.expires_at),
            },
        )
    }

    /// Makes a token with which a relay brings another key. `false` if there is no such relay. The token before it is good for
    /// nothing from then on. Without an overlap, what the
    /// relay signs with is good for nothing from this moment on, not only once there is another key.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_relay_enrolment(
        &self,
        new: &NewRelayEnrolment,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "create_relay_enrolment";
        let item = self.enrolment_item(OPERATION, new, now)?;
        let ends_keys = match new.overlap_seconds {
            0 => " REMOVE current_key, previous_key, previous_until",
            _ => "",
        };
        let on_relay = Update::builder()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.relay(&new.relay_id), RELAY)))
            .update_expression(format!("SET {ENROLMENT} = :token{ends_keys}"))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":token", string(new.key_id.as_str()))
            .build()
            .map_err(unbuilt(OPERATION))?;
        let writes = vec![
            TransactWriteItem::builder().update(on_relay).build(),
            self.putting(OPERATION, TableKind::Credentials, item)?,
        ];
        for _ in 0..MAX_TRIES {
            let writes = writes.clone();
            match self.store.transact(OPERATION, writes, write_id).await? {
                Transacted::Done => return Ok(true),
                Transacted::Conflict => {}
                Transacted::Stale => {
                    // The token is made for this call: if it is there, an answer was lost.
                    let id = &new.key_id;
                    let there = self.store.relay_credential(id, ENROLMENT_KIND).await?;
                    return Ok(there.is_some());
                }
            }
        }
        Err(super::busy(OPERATION))
    }

    /// Adds a key that a relay brought with a token, which is used up by it. It is what the relay signs with from now on; what
    /// it signed with before stays good for the token's overlap.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn enrol_relay(
        &self,
        with: &RelayEnrolment,
        new: &NewRelayKey,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<RelayKeyRotation, StoreError> {
        const OPERATION: &str = "enrol_relay";
        let used = Update::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(&with.key_id), KEY_SORT)))
            .update_expression("SET used_at = :now, used_by = :key")
            .condition_expression(
                "tenant = :tenant AND relay_id = :relay AND attribute_not_exists(used_at) \
                 AND expires_at > :now",
            )
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":relay", string(new.relay_id.as_str()))
            .expression_attribute_values(":key", string(new.key_id.as_str()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .build()
            .map_err(unbuilt(OPERATION))?;
        let until = now.plus_seconds(with.overlap_seconds);
        let writes = vec![
            TransactWriteItem::builder().update(used).build(),
            self.put_key(OPERATION, new, now)?,
            self.signs_with(OPERATION, new, (With::Token(&with.key_id), until))?,
        ];
        self.add_key(OPERATION, (new, writes), write_id).await
    }

    /// Adds a key that a relay brought with a request that it had signed with the one that it signs with now. That one stays
    /// good until `until`.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rotate_relay_key(
        &self,
        old: &KeyId,
        new: &NewRelayKey,
        (now, until): (Timestamp, Timestamp),
        write_id: &WriteId,
    ) -> Result<RelayKeyRotation, StoreError> {
        const OPERATION: &str = "rotate_relay_key";
        let writes = vec![
            self.put_key(OPERATION, new, now)?,
            self.signs_with(OPERATION, new, (With::Key(old), until))?,
        ];
        self.add_key(OPERATION, (new, writes), write_id).await
    }

    async fn add_key(
        &self,
        operation: &'static str,
        (new, writes): (&NewRelayKey, Vec<TransactWriteItem>),
        write_id: &WriteId,
    ) -> Result<RelayKeyRotation, StoreError> {
        for _ in 0..MAX_TRIES {
            let writes = writes.clone();
            match self.store.transact(operation, writes, write_id).await? {
                Transacted::Done => return Ok(RelayKeyRotation::Added),
                Transacted::Conflict => {}
                Transacted::Stale => {
                    // The key's id is made for this call: if it is there, an answer was lost.
                    let there = self.store.relay_credential(&new.key_id, KEY_KIND).await?;
                    return Ok(match there {
                        Some(_) => RelayKeyRotation::Added,
                        None => RelayKeyRotation::NotGood,
                    });
                }
            }
        }
        Err(super::busy(operation))
    }

    fn put_key(
        &self,
        operation: &'static str,
        new: &NewRelayKey,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = KeyItem {
            pk: partition(&new.key_id),
            sk: KEY_SORT.to_owned(),
            kind: KEY_KIND.to_owned(),
            tenant: self.scope.tenant().clone(),
            relay_id: new.relay_id.clone(),
            public_key: BASE64.encode(&new.public_key),
            created_at: now.as_millis(),
            expires_at: new.expires_at.as_millis(),
            expires_at_seconds: ttl(new.expires_at),
        };
        self.putting(
            operation,
            TableKind::Credentials,
            to_item(operation, &item)?,
        )
    }

    /// What the relay signs with from now on, and until when what it signed with before is good. Its item alone says so: a
    /// key that it does not name is nobody's.
    fn signs_with(
        &self,
        operation: &'static str,
        new: &NewRelayKey,
        (with, until): (With<'_>, Timestamp),
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.relay(&new.relay_id), RELAY)))
            // A relay that had none before is given the new one twice, which is read as none before.
            .update_expression(
                "SET previous_key = if_not_exists(current_key, :new), previous_until = :until, \
                 current_key = :new",
            )
            .expression_attribute_values(":new", string(new.key_id.as_str()))
            .expression_attribute_values(":until", number(until.as_millis()));
        let (attribute, wanted) = match with {
            With::Token(token) => (ENROLMENT, token),
            With::Key(old) => ("current_key", old),
        };
        let update = update
            .condition_expression(format!("attribute_exists(pk) AND {attribute} = :with"))
            .expression_attribute_values(":with", string(wanted.as_str()))
            .build()
            .map_err(unbuilt(operation))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
