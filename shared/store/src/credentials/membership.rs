//! A credential of a person, together with the membership that its key id names.

use super::KeyId;
use crate::call::{Item, from_item, key};
use crate::people::{MEMBERSHIP, MembershipItem};
use crate::schema::TableKind;
use crate::{Store, StoreError, keys};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

impl Store {
    /// An item and the membership that the key id names, in one eventually consistent read.
    pub(crate) async fn read_with_membership(
        &self,
        operation: &'static str,
        (table, item_key): (TableKind, Item),
        key_id: &KeyId,
    ) -> Result<(Option<Item>, Option<MembershipItem>), StoreError> {
        let (table, people) = (self.tables.name(table), self.tables.name(TableKind::People));
        let one = |item_key: Item| {
            KeysAndAttributes::builder()
                .keys(item_key)
                .build()
                .map_err(|error| StoreError::unreadable(operation, error))
        };
        let answer = self
            .client
            .batch_get_item()
            .request_items(table, one(item_key)?)
            .request_items(people, one(membership_key(key_id))?)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.count_reads(operation, answer.consumed_capacity());
        if answer
            .unprocessed_keys()
            .is_some_and(|unprocessed| !unprocessed.is_empty())
        {
            return Err(StoreError::Busy {
                operation,
                reason: "keys were left unprocessed".to_owned(),
            });
        }
        let mut found = answer.responses.unwrap_or_default();
        let mut only = |table: &str| found.remove(table).and_then(|mut items| items.pop());
        let (item, membership) = (only(table), only(people));
        let membership = membership
            .map(|item| from_item(operation, item))
            .transpose()?;
        Ok((item, membership))
    }

    /// The membership that the key id names: as it was seen, or as it is now if it was not seen, because it may have come to
    /// be within the last second. Only somebody with a good secret costs this second read.
    pub(crate) async fn membership_now(
        &self,
        key_id: &KeyId,
        seen: Option<MembershipItem>,
    ) -> Result<Option<MembershipItem>, StoreError> {
        const OPERATION: &str = "authenticate";
        if seen.is_some() {
            return Ok(seen);
        }
        let item = self
            .get_consistent(OPERATION, TableKind::People, membership_key(key_id))
            .await?;
        item.map(|item| from_item(OPERATION, item)).transpose()
    }
}

fn membership_key(key_id: &KeyId) -> Item {
    key(keys::membership(&key_id.member()), MEMBERSHIP)
}
