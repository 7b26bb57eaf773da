//! The end of a credential, and of everything that was derived from it.

use super::agent_credentials::ParentItem;
use super::item::{SessionItem, key_ttl};
use super::{AgentCredential, KEY_SORT, KeyId, SessionKey, partition};
use crate::call::{from_item, key, number, string};
use crate::schema::{TTL, TableKind};
use crate::{AgentOutcome, StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use domain::agent::Event;
use std::collections::HashMap;
use wire::Timestamp;

/// How many sessions are read at a time, and how many pages of them are ended by one call.
const SESSIONS_PAGE: i32 = 50;
const MAX_PAGES: usize = 10;

/// How many revocations that were cut off one call finishes.
const MAX_FINISHED: i32 = 10;

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// This call revoked it, or ended something that an earlier call had left.
    Revoked,
    /// It was revoked before, and nothing was left to end.
    AlreadyRevoked,
    /// The tenant has no such credential.
    Unknown,
}

impl TenantStore<'_> {
    /// Revokes an API token, or an agent key and every session derived from it. The item stays for 30 days, and says
    /// who did it.
    ///
    /// The agents of an agent key are ended and their jobs given back before this returns, up to 500 of them at a time: if
    /// there are more, or if it fails half-way, [`StoreError::Busy`], and the same call again goes on where this one stopped; so
    /// does maintenance, by [`finish_revocations`](Self::finish_revocations). None of them can claim anything from the first
    /// write on.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn revoke_credential(
        &self,
        key_id: &KeyId,
        revoked_by: &str,
        now: Timestamp,
        random: impl FnMut() -> [u8; 8],
    ) -> Result<Revocation, StoreError> {
        let marked = self.mark_revoked((None, key_id), revoked_by, now).await?;
        self.finish_revocation(marked, key_id, now, random).await
    }

    /// The same for something that agents register with, and nothing else: what is of another kind is unknown.
    ///
    /// # Errors
    /// As [`revoke_credential`](Self::revoke_credential).
    pub async fn revoke_agent_credential(
        &self,
        (kind, key_id): (AgentCredential, &KeyId),
        revoked_by: &str,
        now: Timestamp,
        random: impl FnMut() -> [u8; 8],
    ) -> Result<Revocation, StoreError> {
        let kind = Some(kind);
        let marked = self.mark_revoked((kind, key_id), revoked_by, now).await?;
        self.finish_revocation(marked, key_id, now, random).await
    }

    /// Does what follows from the mark, whichever call has set it.
    async fn finish_revocation(
        &self,
        marked: Revocation,
        key_id: &KeyId,
        now: Timestamp,
        random: impl FnMut() -> [u8; 8],
    ) -> Result<Revocation, StoreError> {
        if marked == Revocation::Unknown {
            return Ok(marked);
        }
        let has_ended_some = self.end_sessions(key_id, now, random).await?;
        Ok(if has_ended_some {
            Revocation::Revoked
        } else {
            marked
        })
    }

    /// Ends the agents whose sessions were derived from the key, and the sessions: whether there were any.
    async fn end_sessions(
        &self,
        key_id: &KeyId,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "end_sessions";
        for page in 0..MAX_PAGES {
            let sessions = self.sessions_of(key_id).await?;
            if sessions.is_empty() {
                self.end_revocation(key_id).await?;
                return Ok(page > 0);
            }
            for session in sessions {
                let write_id = WriteId::new(random());
                let outcome = self
                    .change_agent(
                        OPERATION,
                        &session.agent_id,
                        &Event::Deregister,
                        now,
                        &write_id,
                    )
                    .await?;
                match outcome {
                    AgentOutcome::Changed(agent) | AgentOutcome::AlreadyDone(agent) => {
                        self.give_back_jobs(&agent.agent_id, agent.epoch, now, &mut random)
                            .await?;
                    }
                    AgentOutcome::Missing | AgentOutcome::Refused(_) => {}
                    AgentOutcome::Contended => {
                        return Err(StoreError::Busy {
                            operation: OPERATION,
                            reason: "an agent kept changing".to_owned(),
                        });
                    }
                }
                // Last, so that whoever does this again still finds what is left to do.
                self.end_agent_session(&SessionKey {
                    parent: key_id.clone(),
                    secret_sha256: session.secret_sha256,
                })
                .await?;
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "there are more sessions to end".to_owned(),
        })
    }

    /// Takes the key off the list of those whose sessions are still to be ended.
    async fn end_revocation(&self, key_id: &KeyId) -> Result<(), StoreError> {
        const OPERATION: &str = "end_revocation";
        let answer = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression("REMOVE lpk, lsk")
            .condition_expression("lpk = :revoking")
            .expression_attribute_values(":revoking", string(self.scope.revoking()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(())
            }
            // It has been taken off already.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                self.store.meter.lost_race(OPERATION);
                Ok(())
            }
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }

    /// Goes on with revocations that were cut off: ends the agents of keys that are revoked already. How many it finished.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was ended before stays ended. Reads half a unit if there is nothing to do.
    pub async fn finish_revocations(
        &self,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<usize, StoreError> {
        const OPERATION: &str = "finish_revocations";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .index_name("list")
            .key_condition_expression("lpk = :revoking")
            .expression_attribute_values(":revoking", string(self.scope.revoking()))
            .limit(MAX_FINISHED)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let mut finished = 0;
        for item in answer.items() {
            let id = item.get("lsk").and_then(|id| id.as_s().ok());
            let Some(key_id) = id.and_then(|id| KeyId::parse(id).ok()) else {
                continue;
            };
            self.end_sessions(&key_id, now, &mut random).await?;
            finished += 1;
        }
        Ok(finished)
    }

    /// Some of the sessions that were derived from the key.
    async fn sessions_of(&self, key_id: &KeyId) -> Result<Vec<SessionItem>, StoreError> {
        const OPERATION: &str = "end_sessions";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .key_condition_expression("pk = :key AND begins_with(sk, :session)")
            .expression_attribute_values(":key", string(partition(key_id)))
            .expression_attribute_values(":session", string("S#"))
            .consistent_read(true)
            .limit(SESSIONS_PAGE)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        items.map(|item| from_item(OPERATION, item)).collect()
    }

    async fn mark_revoked(
        &self,
        (kind, key_id): (Option<AgentCredential>, &KeyId),
        revoked_by: &str,
        now: Timestamp,
    ) -> Result<Revocation, StoreError> {
        const OPERATION: &str = "revoke_credential";
        let mut condition = "tenant = :tenant AND attribute_not_exists(revoked_at)".to_owned();
        if kind.is_some() {
            condition.push_str(" AND kind = :kind");
        }
        let word = kind.map(AgentCredential::word);
        let mut values = HashMap::from([
            (":ttl".to_owned(), number(key_ttl(now))),
            (":now".to_owned(), number(now.as_millis())),
            (":by".to_owned(), string(revoked_by)),
            (":revoking".to_owned(), string(self.scope.revoking())),
            (":id".to_owned(), string(key_id.as_str())),
            (":tenant".to_owned(), string(self.scope.tenant().as_str())),
        ]);
        values.extend(word.map(|word| (":kind".to_owned(), string(word))));
        let answer = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression(
                "SET revoked_at = :now, revoked_by = :by, #ttl = :ttl, lpk = :revoking, lsk = :id",
            )
            .expression_attribute_names("#ttl", TTL)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(Revocation::Revoked)
            }
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
                    error.as_service_error()
                else {
                    return Err(StoreError::from_sdk(OPERATION, &error));
                };
                self.store.meter.lost_race(OPERATION);
                let Some(item) = failed.item().filter(|item| !item.is_empty()) else {
                    return Ok(Revocation::Unknown);
                };
                let there: ParentItem = from_item(OPERATION, item.clone())?;
                let is_of_kind = word.is_none_or(|word| there.kind == word);
                // A credential of the tenant and kind fails the condition only if it is revoked already.
                if &there.tenant != self.scope.tenant() || !is_of_kind {
                    return Ok(Revocation::Unknown);
                }
                // By this very call, if its first answer was lost and the client asked again.
                if there.is_revoked_by(revoked_by, now) {
                    Ok(Revocation::Revoked)
                } else {
                    Ok(Revocation::AlreadyRevoked)
                }
            }
        }
    }
}
