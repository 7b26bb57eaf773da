//! Calls to DynamoDB: capacity counted, items read into their structs, failed conditions told from errors.

use crate::schema::TableKind;
use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A string attribute.
pub(crate) fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The key of an item.
pub(crate) fn key(partition: String, sort: &str) -> Item {
    HashMap::from([
        (crate::schema::PK.to_owned(), string(partition)),
        (crate::schema::SK.to_owned(), string(sort)),
    ])
}

/// A struct as an item.
pub(crate) fn to_item<T: Serialize>(
    operation: &'static str,
    value: &T,
) -> Result<Item, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value)
        .map_err(|error| StoreError::unreadable(operation, error))
}

/// An item as a struct.
pub(crate) fn from_item<T: DeserializeOwned>(
    operation: &'static str,
    item: Item,
) -> Result<T, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| StoreError::unreadable(operation, error))
}

impl Store {
    /// Counts what a read consumed.
    pub(crate) fn count_read(&self, operation: &'static str, consumed: Option<&ConsumedCapacity>) {
        self.meter.read(
            operation,
            consumed
                .and_then(ConsumedCapacity::capacity_units)
                .unwrap_or_default(),
        );
    }

    /// Counts what one read of several tables consumed.
    pub(crate) fn count_reads(&self, operation: &'static str, consumed: &[ConsumedCapacity]) {
        let units = consumed.iter().filter_map(ConsumedCapacity::capacity_units);
        self.meter.read(operation, units.sum());
    }

    /// Counts what a write consumed.
    pub(crate) fn count_write(&self, operation: &'static str, consumed: Option<&ConsumedCapacity>) {
        self.meter.write(
            operation,
            consumed
                .and_then(ConsumedCapacity::capacity_units)
                .unwrap_or_default(),
        );
    }

    /// The item of that key as it is now.
    pub(crate) async fn get_consistent(
        &self,
        operation: &'static str,
        table: TableKind,
        key: Item,
    ) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.tables.name(table))
            .set_key(Some(key))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.count_read(operation, answer.consumed_capacity());
        Ok(answer.item)
    }

    /// The items of up to 100 keys, in any order, without those that do not exist.
    pub(crate) async fn batch_get(
        &self,
        operation: &'static str,
        table: TableKind,
        wanted: Vec<Item>,
    ) -> Result<Vec<Item>, StoreError> {
        self.read_batch(operation, table, wanted, false).await
    }

    /// The same, as they are now.
    pub(crate) async fn batch_get_consistent(
        &self,
        operation: &'static str,
        table: TableKind,
        wanted: Vec<Item>,
    ) -> Result<Vec<Item>, StoreError> {
        self.read_batch(operation, table, wanted, true).await
    }

    async fn read_batch(
        &self,
        operation: &'static str,
        table: TableKind,
        mut wanted: Vec<Item>,
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        const MAX_ROUNDS: usize = 5;
        let name = self.tables.name(table);
        let mut items = Vec::with_capacity(wanted.len());
        for _ in 0..MAX_ROUNDS {
            if wanted.is_empty() {
                return Ok(items);
            }
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut wanted)))
                .consistent_read(consistent)
                .build()
                .map_err(|error| StoreError::unreadable(operation, error))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(name, keys)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(operation, &error))?;
            self.count_read(operation, answer.consumed_capacity().first());
            items.extend(
                answer
                    .responses
                    .unwrap_or_default()
                    .remove(name)
                    .unwrap_or_default(),
            );
            let rest = answer.unprocessed_keys.unwrap_or_default().remove(name);
            wanted = rest.map(|rest| rest.keys).unwrap_or_default();
        }
        if wanted.is_empty() {
            Ok(items)
        } else {
            // A list with holes would pass for a whole one.
            Err(StoreError::Busy {
                operation,
                reason: "a batch was not read whole".to_owned(),
            })
        }
    }
}
