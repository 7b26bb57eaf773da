//! Credentials come, are renewed, and go.

use super::item::{KeyItem, SessionItem, session_ttl};
use super::{CredentialKind, KEY_SORT, KeyId, SessionKey, partition, session_sort};
use crate::call::{Item, from_item, key, number, string, to_item};
use crate::schema::{PK, TTL, TableKind};
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use domain::agent::Agent;
use wire::{AgentId, PoolName, Timestamp};

/// How often a registration is tried that others got in the way of.
const MAX_CONFLICTS: usize = 8;

/// A new API token.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Its key id.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// A name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
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
        let (pk, sk) = KeyItem::keys(&new.key_id);
        self.create_key(KeyItem {
            pk,
            sk,
            kind: CredentialKind::ApiToken,
            tenant: self.scope.tenant().clone(),
            secret_sha256: new.secret_sha256,
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            pool: None,
            created_by: new.created_by.clone(),
            created_at: now.as_millis(),
            expires_at: new.expires_at.map(Timestamp::as_millis),
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
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
        let (pk, sk) = KeyItem::keys(&new.key_id);
        self.create_key(KeyItem {
            pk,
            sk,
            kind: CredentialKind::AgentKey,
            tenant: self.scope.tenant().clone(),
            secret_sha256: new.secret_sha256,
            name: new.name.clone(),
            scopes: Vec::new(),
            pool: Some(new.pool.clone()),
            created_by: new.created_by.clone(),
            created_at: now.as_millis(),
            expires_at: new.expires_at.map(Timestamp::as_millis),
            last_used_at: None,
            revoked_at: None,
            revoked_by: None,
        })
        .await
    }

    async fn create_key(&self, new: KeyItem) -> Result<Creation, StoreError> {
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

    fn new_session(
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

    /// Adds an agent that has just registered, and its session, which ends at `expires_at` unless it is renewed: both, or
    /// none if the key that the session is derived from is not good any more, and then `false`. The transaction costs twice
    /// the units of plain writes, once in an agent's life.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn register_agent(
        &self,
        agent: &Agent,
        session: &SessionKey,
        expires_at: Timestamp,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "register_agent";
        let (id, pool) = (&agent.agent_id, &agent.pool_name);
        let parent = session.parent.clone();
        let session = self.new_session(session, id, pool, expires_at, agent.registered_at);
        let items = [
            (TableKind::Agents, self.new_agent_item(agent)?),
            (TableKind::Credentials, to_item(OPERATION, &session)?),
        ];
        let mut writes = vec![self.key_is_good(&parent, agent.registered_at)?];
        for (table, item) in items {
            let put = Put::builder()
                .table_name(self.store.tables.name(table))
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        for _ in 0..MAX_CONFLICTS {
            match self
                .store
                .transact(OPERATION, writes.clone(), write_id)
                .await?
            {
                Transacted::Done => return Ok(true),
                // The items are new, so what does not hold is the condition on the key.
                Transacted::Stale => return Ok(false),
                // Agents that register with the same key at the same moment get in each other's way.
                Transacted::Conflict => {}
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others registered with the same key at the same time".to_owned(),
        })
    }

    /// The condition that an agent key of this tenant is good.
    fn key_is_good(&self, key_id: &KeyId, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .condition_expression(
                "tenant = :tenant AND attribute_not_exists(revoked_at) \
                 AND (attribute_not_exists(expires_at) OR expires_at > :now)",
            )
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .expression_attribute_values(":now", number(now.as_millis()))
            .build()
            .map_err(|error| StoreError::unreadable("register_agent", error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
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
        let answer = self
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
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(true)
            }
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
                    error.as_service_error()
                else {
                    return Err(StoreError::from_sdk(OPERATION, &error));
                };
                self.store.meter.lost_race(OPERATION);
                // A session that ends at that time or later has been renewed before: by this call, if its answer was lost.
                match failed.item().filter(|item| !item.is_empty()) {
                    Some(item) => {
                        let there: SessionItem = from_item(OPERATION, item.clone())?;
                        Ok(&there.tenant == self.scope.tenant())
                    }
                    None => Ok(false),
                }
            }
        }
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
