//! One conditional write for every item that bears a `revision`: what changed, if nobody else wrote since.

use crate::call::{Item, number, string};
use crate::schema::{PK, SK, TableKind};
use crate::{Store, StoreError, WriteId};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use std::collections::HashMap;

/// What became of one conditional write.
#[derive(Debug)]
pub enum Outcome<T, S = T> {
    /// It is written.
    Applied(T),
    /// Somebody else had written; this is what is there.
    Stale(S),
    /// There is nothing there.
    Missing,
}

/// The attribute that names the write that made an item what it is.
const WRITE_ID: &str = "write_id";

impl Store {
    /// Puts an item where there is none. What is there, if it is not the work of this very write.
    pub(crate) async fn put_new_item(
        &self,
        operation: &'static str,
        table: TableKind,
        mut item: Item,
        write_id: &WriteId,
    ) -> Result<Option<Item>, StoreError> {
        item.insert(WRITE_ID.to_owned(), string(write_id.as_str()));
        let answer = self
            .client
            .put_item()
            .table_name(self.tables.name(table))
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                self.count_write(operation, answer.consumed_capacity());
                return Ok(None);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                self.meter.lost_race(operation);
                let found = failed.item().cloned().unwrap_or_default();
                Ok((found.get(WRITE_ID) != Some(&string(write_id.as_str()))).then_some(found))
            }
            Some(_) | None => Err(StoreError::from_sdk(operation, &error)),
        }
    }

    /// Writes what differs between `before` and `after` if the item still has the revision of `before`. Attributes that
    /// neither knows stay as they are.
    pub(crate) async fn update_item(
        &self,
        operation: &'static str,
        table: TableKind,
        before: &Item,
        mut after: Item,
        write_id: &WriteId,
    ) -> Result<Outcome<Item>, StoreError> {
        let mut item_key = HashMap::new();
        for name in [PK, SK] {
            item_key.insert(
                name.to_owned(),
                before.get(name).cloned().unwrap_or(string("")),
            );
        }
        let seen = before.get("revision").cloned().unwrap_or(number(0));
        after.insert(WRITE_ID.to_owned(), string(write_id.as_str()));
        let difference = Difference::of(before, &after);
        let update = self
            .client
            .update_item()
            .table_name(self.tables.name(table))
            .set_key(Some(item_key))
            .update_expression(difference.expression)
            .set_expression_attribute_names(Some(difference.names))
            .set_expression_attribute_values(Some(difference.values))
            .condition_expression("revision = :seen")
            .expression_attribute_values(":seen", seen);
        Ok(match self.update_if(operation, update).await? {
            Outcome::Applied(_) => Outcome::Applied(after),
            Outcome::Missing => Outcome::Missing,
            Outcome::Stale(found) if found.get(WRITE_ID) == after.get(WRITE_ID) => {
                Outcome::Applied(found)
            }
            Outcome::Stale(found) => Outcome::Stale(found),
        })
    }

    /// Sends an update that is on a condition. Applied, it is with the attributes that it asked for; if the condition does not
    /// hold, what is there.
    pub(crate) async fn update_if(
        &self,
        operation: &'static str,
        update: UpdateItemFluentBuilder,
    ) -> Result<Outcome<Item>, StoreError> {
        let answer = update
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                self.count_write(operation, answer.consumed_capacity());
                return Ok(Outcome::Applied(answer.attributes.unwrap_or_default()));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                self.meter.lost_race(operation);
                let found = failed.item().filter(|found| !found.is_empty());
                Ok(found.cloned().map_or(Outcome::Missing, Outcome::Stale))
            }
            Some(_) | None => Err(StoreError::from_sdk(operation, &error)),
        }
    }
}

/// An update expression that makes one item of another.
struct Difference {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Difference {
    fn of(before: &Item, after: &Item) -> Self {
        let (mut sets, mut removes) = (Vec::new(), Vec::new());
        let (mut names, mut values) = (HashMap::new(), HashMap::new());
        let is_key = |name: &str| name == PK || name == SK;
        let set = after
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(*value));
        for (place, (name, value)) in set.filter(|(name, _)| !is_key(name)).enumerate() {
            sets.push(format!("#s{place} = :s{place}"));
            names.insert(format!("#s{place}"), name.clone());
            values.insert(format!(":s{place}"), value.clone());
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        for (place, name) in gone.enumerate() {
            removes.push(format!("#r{place}"));
            names.insert(format!("#r{place}"), name.clone());
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            expression = format!("{expression} REMOVE {}", removes.join(", "));
        }
        Self {
            expression,
            names,
            values,
        }
    }
}
