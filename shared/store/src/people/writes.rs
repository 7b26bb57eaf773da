//! What transactions about people are made of.

use crate::call::{Item, key, number, string, to_item};
use crate::schema::TableKind;
use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};
use serde::Serialize;

/// The values of an expression.
pub(super) type Values<'a> = &'a [(&'a str, AttributeValue)];

/// A number that is counted up or down.
pub(super) fn step(by: i64) -> AttributeValue {
    number(by)
}

impl Store {
    fn people(&self) -> &str {
        self.tables.name(TableKind::People)
    }

    /// Puts an item where there is none.
    pub(super) fn put_new_of_people<T: Serialize>(
        &self,
        operation: &'static str,
        item_key: Item,
        value: &T,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut item = to_item(operation, value)?;
        item.extend(item_key);
        let put = Put::builder()
            .table_name(self.people())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::unreadable(operation, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Changes an item on a condition. `#role` stands for the role.
    pub(super) fn update_of_people(
        &self,
        item_key: Item,
        expression: &str,
        condition: &str,
        values: Values<'_>,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(self.people())
            .set_key(Some(item_key))
            .update_expression(expression)
            .condition_expression(condition);
        let update = if expression.contains("#role") {
            update.expression_attribute_names("#role", "role")
        } else {
            update
        };
        let update = values.iter().fold(update, |update, (name, value)| {
            update.expression_attribute_values(*name, value.clone())
        });
        let update = update
            .build()
            .map_err(|error| StoreError::unreadable("change_people", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Deletes an item on a condition.
    pub(super) fn delete_of_people(
        &self,
        item_key: Item,
        condition: &str,
        values: Values<'_>,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(self.people())
            .set_key(Some(item_key))
            .condition_expression(condition);
        let delete = values.iter().fold(delete, |delete, (name, value)| {
            delete.expression_attribute_values(*name, value.clone())
        });
        let delete = delete
            .build()
            .map_err(|error| StoreError::unreadable("change_people", error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The condition that a membership of the tenant has one of two roles.
    pub(super) fn check_role(
        &self,
        membership: Item,
        tenant: &str,
        roles: [wire::Role; 2],
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(self.people())
            .set_key(Some(membership))
            .condition_expression("tenant = :tenant AND #role IN (:one, :other)")
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(":tenant", string(tenant))
            .expression_attribute_values(":one", string(roles[0].as_str()))
            .expression_attribute_values(":other", string(roles[1].as_str()))
            .build()
            .map_err(|error| StoreError::unreadable("change_people", error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// An item of the table of people, as it is now.
    pub(super) async fn read_people(
        &self,
        operation: &'static str,
        partition: String,
        sort: &str,
    ) -> Result<Option<Item>, StoreError> {
        self.get_consistent(operation, TableKind::People, key(partition, sort))
            .await
    }
}
