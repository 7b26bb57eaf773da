//! Credentials come, are renewed, and go.

use super::item::{KeyItem, NewKey, SessionItem, session_ttl};
use super::{CredentialKind, KeyId, SessionKey, partition, session_sort};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::schema::{PK, TTL, TableKind};
use crate::update::Outcome;
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use wire::{AgentId, PoolName, Timestamp, UserId};

/// A new API token.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Its key id. A person's begins with the handle of their membership.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// A name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The person whose it is: it may never do more than they may, and ends with their membership. None: nothing bounds it.
    pub member: Option<UserId>,
    /// Who created it.
    pub created_by: String,
    /// When it ends; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

/// A new agent key.
#[derive(Debug, Clone)]
pub struct NewAgentKey {
    /// Its key id.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// A name, for people.
    pub name: String,
    /// The only pool that its agents may join.
    pub pool: PoolName,
    /// Who created it.
    pub created_by: String,
    /// When it ends, and with it every session derived from it; never, for `None`.
    pub expires_at: Option<Timestamp>,
}

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The credential is there. Asking for the same once more gives the same answer.
    Created,
    /// Another credential has that key id: take another.
    KeyIdTaken,
}

impl TenantStore<'_> {
    /// Creates an API token.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_api_token(
        &self,
        new: &NewApiToken,
        now: Timestamp,
    ) -> Result<Creation, StoreError> {
        let token = NewKey {
            key_id: &new.key_id,
            kind: CredentialKind::ApiToken,
            secret_sha256: new.secret_sha256,
            name: &new.name,
            created_by: &new.created_by,
            expires_at: new.expires_at,
            listed_under: self.scope.api_tokens(),
        };
        self.create_key(KeyItem {
            scopes: new.scopes.clone(),
            member: new.member.clone(),
            ..KeyItem::new(self.scope.tenant(), token, now)
        })
        .await
    }

    /// Creates a key that agents of one pool register with.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_agent_key(
        &self,
        new: &NewAgentKey,
        now: Timestamp,
    ) -> Result<Creation, StoreError> {
        let key = NewKey {
            key_id: &new.key_id,
            kind: CredentialKind::AgentKey,
            secret_sha256: new.secret_sha256,
            name: &new.name,
            created_by: &new.created_by,
            expires_at: new.expires_at,
            listed_under: self.scope.agent_keys(),
        };
        self.create_key(KeyItem {
            pool: Some(new.pool.clone()),
            ..KeyItem::new(self.scope.tenant(), key, now)
        })
        .await
    }

    pub(super) async fn create_key(&self, new: KeyItem) -> Result<Creation, StoreError> {
        const OPERATION: &str = "create_credential";
        let Some(there) = self.put_new(OPERATION, to_item(OPERATION, &new)?).await? else {
            return Ok(Creation::Created);
        };
        let there: KeyItem = from_item(OPERATION, there)?;
        // No two secrets are the same, so an item with this one is what an earlier try of this call has written.
        if there.secret_sha256 == new.secret_sha256 && there.tenant == new.tenant {
            Ok(Creation::Created)
        } else {
            Ok(Creation::KeyIdTaken)
        }
    }

    /// Creates the session of an agent that registered with an agent key. It ends at `expires_at` unless it is renewed,
    /// and with the key in any case.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_agent_session(
        &self,
        session: &SessionKey,
        agent_id: &AgentId,
        pool: &PoolName,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Creation, StoreError> {
        const OPERATION: &str = "create_agent_session";
        let new = self.new_session(session, agent_id, pool, expires_at, now);
        let Some(there) = self.put_new(OPERATION, to_item(OPERATION, &new)?).await? else {
            return Ok(Creation::Created);
        };
        let there: SessionItem = from_item(OPERATION, there)?;
        if there.agent_id == new.agent_id && there.tenant == new.tenant {
            Ok(Creation::Created)
        } else {
            Ok(Creation::KeyIdTaken)
        }
    }

    pub(super) fn new_session(
        &self,
        session: &SessionKey,
        agent_id: &AgentId,
        pool: &PoolName,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> SessionItem {
        let (pk, sk) = SessionItem::keys(session);
        SessionItem {
            pk,
            sk,
            tenant: self.scope.tenant().clone(),
            secret_sha256: session.secret_sha256,
            agent_id: agent_id.clone(),
            pool: pool.clone(),
            created_at: now.as_millis(),
            expires_at: expires_at.as_millis(),
            expires_at_seconds: session_ttl(expires_at),
        }
    }

    /// Puts an item where there is none; otherwise gives the one that is there.
    async fn put_new(
        &self,
        operation: &'static str,
        item: Item,
    ) -> Result<Option<Item>, StoreError> {
        let answer = self
            .store
            .client
            .put_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(operation, answer.consumed_capacity());
                Ok(None)
            }
            Err(error) => {
                if let Some(PutItemError::ConditionalCheckFailedException(failed)) =
                    error.as_service_error()
                {
                    self.store.meter.lost_race(operation);
                    Ok(Some(failed.item().cloned().unwrap_or_default()))
                } else {
                    Err(StoreError::from_sdk(operation, &error))
                }
            }
        }
    }

    /// Lets a session live until `expires_at`; one that lives longer already stays as it is. `false` if there is no
    /// such session any more.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn renew_agent_session(
        &self,
        session: &SessionKey,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "renew_agent_session";
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(
                partition(&session.parent),
                &session_sort(&session.secret_sha256),
            )))
            .update_expression("SET expires_at = :end, #ttl = :ttl")
            .condition_expression("tenant = :tenant AND expires_at < :end")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":end", number(expires_at.as_millis()))
            .expression_attribute_values(":ttl", number(session_ttl(expires_at)))
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()));
        Ok(match self.store.update_if(OPERATION, update).await? {
            Outcome::Applied(_) => true,
            // A session that ends at that time or later has been renewed before: by this call, if its answer was lost.
            Outcome::Stale(item) => {
                let there: SessionItem = from_item(OPERATION, item)?;
                &there.tenant == self.scope.tenant()
            }
            Outcome::Missing => false,
        })
    }

    /// Ends a session at once. One that has ended already is no error.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn end_agent_session(&self, session: &SessionKey) -> Result<(), StoreError> {
        const OPERATION: &str = "end_agent_session";
        self.store.memory.credentials.take(&session.secret_sha256);
        let answer = self
            .store
            .client
            .delete_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(
                partition(&session.parent),
                &session_sort(&session.secret_sha256),
            )))
            .condition_expression("tenant = :tenant")
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(())
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                self.store.meter.lost_race(OPERATION);
                Ok(())
            }
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }
}
