//! The sessions that a person has open.

use super::{BY_USER, SESSION, SessionItem};
use crate::call::{Item, from_item, key, string};
use crate::people::MembershipItem;
use crate::schema::{PK, TableKind};
use crate::{PersonSession, PersonStore, StoreError, keys};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use std::collections::{HashMap, HashSet};
use wire::{SessionId, Timestamp};

const OPERATION: &str = "list_sessions";

/// How many sessions a page has at most: DynamoDB gives so many items at a time.
const MAX_PAGE: u32 = 100;

/// A page of sessions.
#[derive(Debug, Clone, Default)]
pub struct PersonSessionPage {
    /// The sessions that are open, newest first.
    pub sessions: Vec<PersonSession>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<SessionId>,
}

/// Entries of the index: the public id and the partition of each session.
pub(super) struct Entries {
    pub(super) entries: Vec<(SessionId, String)>,
    pub(super) more: bool,
}

impl PersonStore<'_> {
    /// A page of the person's sessions, in all organisations: 100 at most, fewer if some have ended. One that was opened
    /// within the last second may be missing.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn sessions(
        &self,
        limit: u32,
        after: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<PersonSessionPage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let found = self.session_entries(OPERATION, limit, after).await?;
        let last = found.entries.last().map(|(id, _)| id.clone());
        let wanted: Vec<Item> = found
            .entries
            .into_iter()
            .map(|(_, partition)| key(partition, SESSION))
            .collect();
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::Sessions, wanted)
            .await?;
        let items = items
            .into_iter()
            .map(|item| from_item::<SessionItem>(OPERATION, item))
            .collect::<Result<Vec<_>, _>>()?;
        let memberships = self.memberships_under(&items).await?;
        let mut sessions: Vec<_> = items
            .into_iter()
            .filter(|session| {
                let membership = memberships.get(&session.key_id.member());
                session.is_good(now) && membership.is_some_and(|it| session.stands_under(it))
            })
            .map(SessionItem::view)
            .collect();
        sessions.sort_by(|left, right| right.session_id.cmp(&left.session_id));
        Ok(PersonSessionPage {
            sessions,
            next: last.filter(|_| found.more),
        })
    }

    async fn memberships_under(
        &self,
        sessions: &[SessionItem],
    ) -> Result<HashMap<crate::MemberHandle, MembershipItem>, StoreError> {
        let handles: HashSet<_> = sessions
            .iter()
            .map(|session| session.key_id.member())
            .collect();
        let wanted = handles
            .iter()
            .map(|handle| key(keys::membership(handle), crate::people::MEMBERSHIP))
            .collect();
        let items = self
            .store
            .batch_get_consistent(OPERATION, TableKind::People, wanted)
            .await?;
        let mut memberships = HashMap::new();
        for item in items {
            let membership: MembershipItem = from_item(OPERATION, item)?;
            memberships.insert(membership.handle.clone(), membership);
        }
        Ok(memberships)
    }

    /// A page of what the index knows of the person's sessions, ended ones too.
    pub(super) async fn session_entries(
        &self,
        operation: &'static str,
        limit: u32,
        after: Option<&SessionId>,
    ) -> Result<Entries, StoreError> {
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Sessions))
            .index_name(BY_USER)
            .key_condition_expression("upk = :person AND usk < :from")
            .expression_attribute_values(":person", string(keys::person(self.scope.user_id())))
            // `~` comes after every id.
            .expression_attribute_values(":from", string(after.map_or("~", SessionId::as_str)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.store.count_read(operation, answer.consumed_capacity());
        let entry = |item: &Item| {
            let id = SessionId::parse(item.get("usk")?.as_s().ok()?).ok()?;
            Some((id, item.get(PK)?.as_s().ok()?.clone()))
        };
        Ok(Entries {
            entries: answer.items().iter().filter_map(entry).collect(),
            more: answer.last_evaluated_key().is_some(),
        })
    }
}
