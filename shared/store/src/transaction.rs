//! Writes of several items, all of them or none.

use crate::call::string;
use crate::{Store, StoreError, WriteId};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, TransactWriteItem};
use std::time::Duration;

/// What became of a transaction.
pub(crate) enum Transacted {
    /// All of it is written.
    Done,
    /// None of it is: an item is not as it was seen.
    Stale,
    /// None of it is: another transaction was writing one of the items.
    Conflict,
}

impl Store {
    /// Writes all of the items or none.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        mut items: Vec<TransactWriteItem>,
        write_id: &WriteId,
    ) -> Result<Transacted, StoreError> {
        for item in &mut items {
            if let Some(put) = &mut item.put {
                let id = string(write_id.as_str());
                put.item.insert("write_id".to_owned(), id);
            }
        }
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                for consumed in answer.consumed_capacity() {
                    self.count_write(operation, Some(consumed));
                }
                return Ok(Transacted::Done);
            }
            Err(error) => error,
        };
        let reasons: Vec<_> = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled
                .cancellation_reasons()
                .iter()
                .filter_map(|reason| reason.code())
                .filter(|code| *code != "None")
                .collect(),
            Some(_) | None => return Err(StoreError::from_sdk(operation, &error)),
        };
        self.meter.lost_race(operation);
        if reasons.contains(&"ConditionalCheckFailed") {
            return Ok(Transacted::Stale);
        }
        if reasons.contains(&"TransactionConflict") {
            // Every transaction of a tenant writes its counts; those that collided would collide again at once.
            tokio::time::sleep(pause(write_id)).await;
            return Ok(Transacted::Conflict);
        }
        if reasons.contains(&"ValidationError") {
            return Err(StoreError::from_sdk(operation, &error));
        }
        Err(StoreError::Busy {
            operation,
            reason: reasons.join(", "),
        })
    }
}

/// How long a write waits for another to end, 16 to 271 ms: the write's own random id says it, so that two differ.
fn pause(write_id: &WriteId) -> Duration {
    let random = write_id.as_str().get(..2);
    let random = random.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Duration::from_millis(16 + random.unwrap_or_default())
}
