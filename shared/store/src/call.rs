//! Calls to DynamoDB: capacity counted, items read into their structs, failed conditions told from errors.

use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity};
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

    /// Counts what a write consumed.
    pub(crate) fn count_write(&self, operation: &'static str, consumed: Option<&ConsumedCapacity>) {
        self.meter.write(
            operation,
            consumed
                .and_then(ConsumedCapacity::capacity_units)
                .unwrap_or_default(),
        );
    }
}
