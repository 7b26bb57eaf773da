//! The end of the chain: where it is, and how records are put there.

use super::MAX_PAGE_RECORDS;
use super::item::{NewPage, Tail, Through};
use crate::call::{Item, key, string};
use crate::schema::TableKind;
use crate::{IntentKey, StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::Timestamp;
use sha2::{Digest, Sha256};
use std::time::Duration;
use wire::audit::{Draft, Link};

const OPERATION: &str = "append_audit";

/// How many of the tries may meet a store that is busy.
const MAX_BUSY: u32 = 2;

/// How long records are tried while others append at the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How many times.
    tries: u32,
    /// The longest pause between two tries, in milliseconds.
    longest_pause_ms: u64,
}

impl Patience {
    /// Somebody waits for the answer, and maintenance would do it as well: a quarter of a second, or half of one.
    pub(super) const SHORT: Self = Self {
        tries: 8,
        longest_pause_ms: 250,
    };
    /// Nobody else would do it, and nobody waits: up to half a minute, if others append all the time.
    pub(super) const LONG: Self = Self {
        tries: 40,
        longest_pause_ms: 1_000,
    };
}

/// What became of one try.
pub(super) enum Appended {
    /// The page is there.
    Done,
    /// Another page is at its place, and the chain ends behind that one or later.
    Behind(Item),
    /// An intent that the page settles is not there any more: its record is.
    Settled,
    /// Another write was under way. Nothing is written.
    Contended,
}

/// What became of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// They are in the chain.
    Done,
    /// An intent that they settle had its record before.
    Before,
}

impl TenantStore<'_> {
    /// The end of the chain as this process knows it. It may be behind, which a write finds out.
    pub(super) async fn known_tail(&self) -> Result<Tail, StoreError> {
        match self.store.memory.audit_tails.get(&self.scope.audit_chain()) {
            Some(tail) => Ok(tail),
            None => self.read_tail().await,
        }
    }

    /// The end of the chain as it is now.
    pub(super) async fn read_tail(&self) -> Result<Tail, StoreError> {
        const OPERATION: &str = "read_audit";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Audit))
            .key_condition_expression("pk = :chain")
            .expression_attribute_values(":chain", string(self.scope.audit_chain()))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let last = answer.items.unwrap_or_default().into_iter().next();
        let tail = last.map_or_else(|| Ok(Tail::start()), Tail::of)?;
        self.remember_tail(&tail);
        Ok(tail)
    }

    pub(super) fn remember_tail(&self, tail: &Tail) {
        let tails = &self.store.memory.audit_tails;
        tails.put(self.scope.audit_chain(), tail.clone());
    }

    /// The last record's number and hash, as of now: what a customer notes to verify later exports with.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn audit_head(&self) -> Result<Link, StoreError> {
        Ok(self.read_tail().await?.link)
    }

    /// Appends up to [`MAX_PAGE_RECORDS`] records without an intent.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; after [`StoreError::Busy`] the records may be there or not.
    pub async fn append_records(
        &self,
        drafts: &[Draft],
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<(), StoreError> {
        self.append((drafts, &[]), Patience::LONG, now, write_id)
            .await
            .map(drop)
    }

    /// Appends records and ends the intents that they settle, together or not at all.
    pub(super) async fn append(
        &self,
        (drafts, settles): (&[Draft], &[IntentKey]),
        patience: Patience,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Recorded, StoreError> {
        if drafts.is_empty() {
            return Ok(Recorded::Done);
        }
        let drafts = &drafts[..drafts.len().min(MAX_PAGE_RECORDS)];
        let mut tail = self.known_tail().await?;
        let mut busy = 0;
        for attempt in 0..patience.tries {
            let through = tail.through.clone();
            let page = NewPage::behind(&tail, self.scope, drafts, &through, (now, write_id))?;
            match self.put_page(&page, settles, write_id).await {
                Ok(Appended::Done) => {
                    self.remember_tail(&page.tail);
                    return Ok(Recorded::Done);
                }
                Ok(Appended::Settled) => return Ok(Recorded::Before),
                // Most likely somebody was faster by this one page.
                Ok(Appended::Behind(found)) if attempt == 0 => tail = Tail::of(found)?,
                Ok(Appended::Behind(_)) => {
                    tokio::time::sleep(pause(patience, write_id, attempt)).await;
                    // After the pause: the shorter the time from here to the next try, the likelier it is to be the first.
                    tail = self.read_tail().await?;
                }
                Ok(Appended::Contended) => {
                    tokio::time::sleep(pause(patience, write_id, attempt)).await;
                }
                // The page may be there. The same try again tells, because the page bears the id of this write.
                Err(error @ StoreError::Busy { .. }) => {
                    busy += 1;
                    if busy > MAX_BUSY {
                        return Err(error);
                    }
                    tokio::time::sleep(pause(patience, write_id, attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others appended at the same time".to_owned(),
        })
    }

    /// Tries once to put a page at its place.
    pub(super) async fn put_page(
        &self,
        page: &NewPage,
        settles: &[IntentKey],
        write_id: &WriteId,
    ) -> Result<Appended, StoreError> {
        if settles.is_empty() {
            self.put_page_alone(page, write_id).await
        } else {
            self.put_page_settling(page, settles, write_id).await
        }
    }

    async fn put_page_alone(
        &self,
        page: &NewPage,
        write_id: &WriteId,
    ) -> Result<Appended, StoreError> {
        let answer = self
            .store
            .client
            .put_item()
            .table_name(self.store.tables.name(TableKind::Audit))
            .set_item(Some(page.item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                return Ok(Appended::Done);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                self.store.meter.lost_race(OPERATION);
                Ok(found(failed.item().cloned(), write_id))
            }
            // The transaction of somebody who settles an intent is at this very place.
            Some(PutItemError::TransactionConflictException(_)) => Ok(Appended::Contended),
            Some(_) | None => Err(StoreError::from_sdk(OPERATION, &error)),
        }
    }

    async fn put_page_settling(
        &self,
        page: &NewPage,
        settles: &[IntentKey],
        write_id: &WriteId,
    ) -> Result<Appended, StoreError> {
        let answer = self
            .store
            .client
            .transact_write_items()
            .set_transact_items(Some(self.page_and_intents(page, settles)?))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => {
                for consumed in answer.consumed_capacity() {
                    self.store.count_write(OPERATION, Some(consumed));
                }
                return Ok(Appended::Done);
            }
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                    Ok(Appended::Contended)
                }
                Some(_) | None => Err(StoreError::from_sdk(OPERATION, &error)),
            };
        };
        self.store.meter.lost_race(OPERATION);
        let reasons = cancelled.cancellation_reasons();
        let failed = |code: Option<&str>| code == Some("ConditionalCheckFailed");
        if let Some(of_page) = reasons.first().filter(|reason| failed(reason.code())) {
            return Ok(found(of_page.item().cloned(), write_id));
        }
        if reasons.iter().any(|reason| failed(reason.code())) {
            return Ok(Appended::Settled);
        }
        if reasons
            .iter()
            .any(|reason| reason.code() == Some("TransactionConflict"))
        {
            return Ok(Appended::Contended);
        }
        // Throttled, most likely; what it is stands in the message.
        Err(StoreError::from_sdk(OPERATION, &error))
    }

    fn page_and_intents(
        &self,
        page: &NewPage,
        settles: &[IntentKey],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let table = self.store.tables.name(TableKind::Audit);
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(page.item.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::unreadable(OPERATION, error))?;
        let mut items = vec![TransactWriteItem::builder().put(put).build()];
        for intent in settles {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key(self.scope.audit_intents(), intent.as_str())))
                .condition_expression("attribute_exists(pk)")
                .build()
                .map_err(|error| StoreError::unreadable(OPERATION, error))?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        Ok(items)
    }
}

/// What stands at the place of a page: that page, or another one.
fn found(item: Option<Item>, write_id: &WriteId) -> Appended {
    match item {
        Some(item) if item.get("write_id") == Some(&string(write_id.as_str())) => Appended::Done,
        Some(item) => Appended::Behind(item),
        None => Appended::Contended,
    }
}

/// How long to wait before a try: a random part of a time that doubles, so that those who collide do so less and less.
fn pause(patience: Patience, write_id: &WriteId, attempt: u32) -> Duration {
    let longest = (4_u64 << attempt.min(16)).min(patience.longest_pause_ms) * 1000;
    let digest = Sha256::new()
        .chain_update(write_id.as_str())
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let random = digest
        .iter()
        .take(8)
        .fold(0, |random: u64, byte| (random << 8) | u64::from(*byte));
    Duration::from_micros(random % longest)
}

/// Up to where a tenant's jobs have been harvested.
impl Tail {
    pub(super) fn through(&self) -> &Through {
        &self.through
    }
}
