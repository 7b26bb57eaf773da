//! The end of a credential, and of everything that was derived from it.

use super::agent_credentials::ParentItem;
use super::item::{SessionItem, key_ttl};
use super::{AgentCredential, KEY_SORT, KeyId, SessionKey, partition};
use crate::call::{from_item, key, number, string};
use crate::schema::{TTL, TableKind};
use crate::update::Outcome;
use crate::{AgentOutcome, StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValue};
use domain::agent::Event;
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

/// A credential that is marked as revoked.
struct Marked {
    item: ParentItem,
    /// Whether this call has marked it.
    is_new: bool,
}

impl TenantStore<'_> {
    /// Revokes an API token, or whatever agents register with and every session derived from it. The item stays for 30 days,
    /// and says who did it.
    ///
    /// The agents are ended and their jobs given back before this returns, up to 500 of them at a time, and a trust rule is
    /// taken off the list, so that its name is free: if there are more agents, or if it fails half-way,
    /// [`StoreError::Busy`], and the same call again goes on where this one stopped; so does maintenance, by
    /// [`finish_revocations`](Self::finish_revocations). From the first write on nobody registers with it, and none of its
    /// agents can claim anything.
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
        marked: Option<Marked>,
        key_id: &KeyId,
        now: Timestamp,
        random: impl FnMut() -> [u8; 8],
    ) -> Result<Revocation, StoreError> {
        let Some(marked) = marked else {
            return Ok(Revocation::Unknown);
        };
        let has_ended_some = self
            .end_what_hangs_on((key_id, &marked.item), now, random)
            .await?;
        Ok(if marked.is_new || has_ended_some {
            Revocation::Revoked
        } else {
            Revocation::AlreadyRevoked
        })
    }

    /// Ends the sessions derived from a revoked credential, takes a rule off its list, and last the credential off the list of
    /// those with which this is still to be done: whether there was anything to end.
    async fn end_what_hangs_on(
        &self,
        (key_id, item): (&KeyId, &ParentItem),
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<bool, StoreError> {
        let has_ended_some = self.end_sessions(key_id, now, &mut random).await?;
        let is_rule = item.kind == AgentCredential::TrustRule.word();
        let has_unlisted = is_rule && self.unlist_rule(key_id, &WriteId::new(random())).await?;
        self.end_revocation(key_id).await?;
        Ok(has_ended_some || has_unlisted)
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

    /// Takes the credential off the list of those whose revocation is still to be finished.
    async fn end_revocation(&self, key_id: &KeyId) -> Result<(), StoreError> {
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression("REMOVE lpk, lsk")
            .condition_expression("lpk = :revoking")
            .expression_attribute_values(":revoking", string(self.scope.revoking()));
        match self.store.update_if("end_revocation", update).await? {
            // Otherwise it has been taken off already.
            Outcome::Applied(_) | Outcome::Stale(_) | Outcome::Missing => Ok(()),
        }
    }

    /// Goes on with revocations that were cut off: does what is left to do for credentials that are revoked already. How many
    /// it finished.
    ///
    /// # Errors
    /// [`StoreError`] as every operation, the first of several: one credential that cannot be finished does not keep the
    /// others from it, and what was ended stays ended. Reads half a unit if there is nothing to do.
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
        let (mut finished, mut failed) = (0, None);
        for listed in answer.items() {
            let id = listed.get("lsk").and_then(|id| id.as_s().ok());
            let Some(key_id) = id.and_then(|id| KeyId::parse(id).ok()) else {
                continue;
            };
            match self.finish_one(OPERATION, &key_id, now, &mut random).await {
                Ok(()) => finished += 1,
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(finished), Err)
    }

    async fn finish_one(
        &self,
        operation: &'static str,
        key_id: &KeyId,
        now: Timestamp,
        random: impl FnMut() -> [u8; 8],
    ) -> Result<(), StoreError> {
        // The index may be behind, and then there is nothing left.
        if let Some(item) = self.key_item(operation, key_id).await? {
            let item: ParentItem = from_item(operation, item)?;
            self.end_what_hangs_on((key_id, &item), now, random).await?;
        }
        Ok(())
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

    /// Marks a credential of the tenant as revoked; `None` if there is none of that id and kind.
    async fn mark_revoked(
        &self,
        (kind, key_id): (Option<AgentCredential>, &KeyId),
        revoked_by: &str,
        now: Timestamp,
    ) -> Result<Option<Marked>, StoreError> {
        const OPERATION: &str = "revoke_credential";
        let word = kind.map(AgentCredential::word);
        let mut condition = "tenant = :tenant AND attribute_not_exists(revoked_at)".to_owned();
        let mut update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(key_id), KEY_SORT)))
            .update_expression(
                "SET revoked_at = :now, revoked_by = :by, #ttl = :ttl, lpk = :revoking, lsk = :id",
            )
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":ttl", number(key_ttl(now)))
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":by", string(revoked_by))
            .expression_attribute_values(":revoking", string(self.scope.revoking()))
            .expression_attribute_values(":id", string(key_id.as_str()))
            .expression_attribute_values(":tenant", string(self.scope.tenant().as_str()))
            .return_values(ReturnValue::AllNew);
        if let Some(word) = word {
            condition.push_str(" AND kind = :kind");
            update = update.expression_attribute_values(":kind", string(word));
        }
        let update = update.condition_expression(condition);
        let (item, is_applied) = match self.store.update_if(OPERATION, update).await? {
            Outcome::Applied(item) => (item, true),
            Outcome::Stale(item) => (item, false),
            Outcome::Missing => return Ok(None),
        };
        let item: ParentItem = from_item(OPERATION, item)?;
        // A credential of the tenant and kind fails the condition only if it is revoked already.
        let is_of_kind = word.is_none_or(|word| item.kind == word);
        if &item.tenant != self.scope.tenant() || !is_of_kind {
            return Ok(None);
        }
        // Also by this very call, if its first answer was lost and the client asked again.
        let is_new = is_applied || item.is_revoked_by(revoked_by, now);
        Ok(Some(Marked { item, is_new }))
    }
}
