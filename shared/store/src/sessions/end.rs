//! The end of sessions.

use super::{BY_USER, SESSION, session_key};
use crate::call::{Item, key, number, string};
use crate::schema::{PK, TableKind};
use crate::update::Outcome;
use crate::{MemberHandle, PersonStore, Presented, Store, StoreError, keys, people};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use wire::{SessionId, Timestamp, UserId};

const OPERATION: &str = "end_person_session";

/// How many sessions are read at a time, and how many pages of them are ended by one call.
const PAGE: u32 = 100;
const MAX_PAGES: usize = 20;

impl Store {
    /// Ends the session that somebody presents. One that has ended already is no error.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn end_presented_session(&self, presented: &Presented) -> Result<(), StoreError> {
        let condition = "key_id = :known";
        let known = presented.key_id.as_str();
        self.delete_session(session_key(&presented.secret_sha256), condition, known)
            .await?;
        Ok(())
    }

    /// Whether it was there.
    async fn delete_session(
        &self,
        session: Item,
        condition: &str,
        known: &str,
    ) -> Result<bool, StoreError> {
        let answer = self
            .client
            .delete_item()
            .table_name(self.tables.name(TableKind::Sessions))
            .set_key(Some(session))
            .condition_expression(condition)
            .expression_attribute_values(":known", string(known))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.count_write(OPERATION, answer.consumed_capacity());
                Ok(true)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                self.meter.lost_race(OPERATION);
                Ok(false)
            }
            Err(error) => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }

    /// Ends every session of a membership that began before now, but for `keep`: also one that no index knows of yet.
    pub(super) async fn end_sessions_under(
        &self,
        handle: &MemberHandle,
        user_id: &UserId,
        keep: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(self.tables.name(TableKind::People))
            .set_key(Some(key(keys::membership(handle), people::MEMBERSHIP)))
            .condition_expression(
                "user_id = :user AND (attribute_not_exists(sessions_from_ms) OR sessions_from_ms <= :now)",
            )
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":user", string(user_id.as_str()));
        let update = match keep {
            Some(keep) => update
                .update_expression("SET sessions_from_ms = :now, session_kept = :kept")
                .expression_attribute_values(":kept", string(keep.as_str())),
            None => update.update_expression("SET sessions_from_ms = :now REMOVE session_kept"),
        };
        match self.update_if(OPERATION, update).await? {
            // Otherwise the membership is gone, and its sessions with it, or they were ended later already.
            Outcome::Applied(_) | Outcome::Stale(_) | Outcome::Missing => Ok(()),
        }
    }
}

impl PersonStore<'_> {
    /// Ends one of the person's sessions. `false` if there is none by that id.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn end_session(&self, session_id: &SessionId) -> Result<bool, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Sessions))
            .index_name(BY_USER)
            .key_condition_expression("upk = :person AND usk = :session")
            .expression_attribute_values(":person", string(keys::person(self.scope.user_id())))
            .expression_attribute_values(":session", string(session_id.as_str()))
            .limit(1)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let partition = answer
            .items()
            .first()
            .and_then(|item| item.get(PK)?.as_s().ok());
        let Some(partition) = partition else {
            return Ok(false);
        };
        self.end_listed(partition.clone()).await
    }

    async fn end_listed(&self, partition: String) -> Result<bool, StoreError> {
        let user = self.scope.user_id().as_str();
        self.store
            .delete_session(key(partition, SESSION), "user_id = :known", user)
            .await
    }

    /// Ends all of the person's sessions that began before now, but for `keep`. None of them opens anything from the first
    /// writes on, even one that no index knows of yet.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. [`StoreError::Busy`] also if there are more than 2,000 sessions; the same call
    /// again goes on where this one stopped.
    pub async fn end_sessions(
        &self,
        keep: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for membership in self.memberships().await? {
            let (handle, user_id) = (&membership.handle, &membership.user_id);
            self.store
                .end_sessions_under(handle, user_id, keep, now)
                .await?;
        }
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let found = self
                .session_entries(OPERATION, PAGE, after.as_ref())
                .await?;
            for (session_id, partition) in found.entries {
                if Some(&session_id) != keep {
                    self.end_listed(partition).await?;
                }
                after = Some(session_id);
            }
            if !found.more {
                return Ok(());
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "there are more sessions to end".to_owned(),
        })
    }
}
