//! Jobs: one item each, and every change of state is one conditional write of that item.

mod claim;
mod enqueue;
mod item;
mod list;
mod promote;
mod sweep;
#[cfg(test)]
mod tests;

pub use claim::{ClaimOrder, ClaimWish, Claimed};
pub use enqueue::{Enqueued, NewJob};
pub use list::{JobFilter, JobPage, JobPosition};
pub use sweep::{Returned, Swept};

use crate::call::{Item, from_item, key, number, string};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use domain::Timestamp;
use domain::job::{Job, JobEvent, Transition, TransitionError, transition};
use item::{JobItem, OPTIONAL};
use std::collections::HashMap;
use wire::JobId;

/// How often a change is decided anew when somebody else wrote in between.
const MAX_DECISIONS: usize = 3;

/// The sort key of every job item.
const JOB: &str = "J";

/// A job, and the number of ready partitions that it was enqueued under.
#[derive(Debug)]
struct Stored {
    job: Job,
    shards: u32,
}

/// What became of one conditional write.
#[derive(Debug)]
enum Written {
    /// The job is so now.
    Now,
    /// Somebody else had written; this is the job as it is.
    Stale(Box<Stored>),
    /// There is no such job.
    Missing,
}

/// What became of an event.
#[derive(Debug)]
pub enum JobOutcome {
    /// It changed the job, which is now so.
    Changed(Job),
    /// It had changed the job before.
    AlreadyDone(Job),
    /// The rules do not allow it; the job is as it was.
    Refused(TransitionError, Job),
    /// There is no such job in this tenant.
    Missing,
    /// Others wrote in between, again and again. Nothing changed; trying again is safe.
    Contended,
}

impl TenantStore<'_> {
    /// The job, as of now.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn job(&self, job_id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.stored_job(job_id).await?.map(|stored| stored.job))
    }

    async fn stored_job(&self, job_id: &JobId) -> Result<Option<Stored>, StoreError> {
        const OPERATION: &str = "get_job";
        let answer = self
            .store
            .client
            .get_item()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .set_key(Some(key(self.scope.job(job_id), JOB)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        answer
            .item
            .map(|item| read_job(OPERATION, item))
            .transpose()
    }

    /// What `event` does to the job: read, decide, write if nobody else wrote, else decide again.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn change_job(
        &self,
        operation: &'static str,
        job_id: &JobId,
        event: &JobEvent,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<JobOutcome, StoreError> {
        match self.stored_job(job_id).await? {
            Some(stored) => {
                self.change_seen_job(operation, stored, event, now, write_id)
                    .await
            }
            None => Ok(JobOutcome::Missing),
        }
    }

    /// As [`change_job`](Self::change_job), for a job that was read already.
    async fn change_seen_job(
        &self,
        operation: &'static str,
        mut stored: Stored,
        event: &JobEvent,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<JobOutcome, StoreError> {
        for _ in 0..MAX_DECISIONS {
            let change = match transition(&stored.job, event, now) {
                Ok(Transition::Apply(change)) => *change,
                Ok(Transition::AlreadyDone) => return Ok(JobOutcome::AlreadyDone(stored.job)),
                Err(refusal) => return Ok(JobOutcome::Refused(refusal, stored.job)),
            };
            let item = JobItem::of(self.scope, change.after(), stored.shards, now, write_id)?;
            match self
                .write_job(operation, change.before(), item, write_id)
                .await?
            {
                Written::Now => return Ok(JobOutcome::Changed(change.into_after())),
                Written::Stale(seen) => stored = *seen,
                Written::Missing => return Ok(JobOutcome::Missing),
            }
        }
        Ok(JobOutcome::Contended)
    }

    /// Writes a job if it still is as it was seen. The parts of the item that never change stay untouched, and so do
    /// attributes that a newer version may have added.
    async fn write_job(
        &self,
        operation: &'static str,
        seen: &Job,
        item: JobItem,
        write_id: &WriteId,
    ) -> Result<Written, StoreError> {
        let update = Update::setting(item.into_changing(operation)?, &OPTIONAL);
        let answer = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .set_key(Some(key(self.scope.job(&seen.job_id), JOB)))
            .update_expression(update.expression)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .condition_expression("revision = :seen")
            .expression_attribute_values(":seen", number(seen.revision))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(operation, answer.consumed_capacity());
                Ok(Written::Now)
            }
            Err(error) => match condition_failed(error) {
                Ok(found) => {
                    self.store.meter.lost_race(operation);
                    let Some(found) = found else {
                        return Ok(Written::Missing);
                    };
                    if wrote(&found, write_id) {
                        return Ok(Written::Now);
                    }
                    Ok(Written::Stale(Box::new(read_job(operation, found)?)))
                }
                Err(error) => Err(StoreError::from_sdk(operation, &error)),
            },
        }
    }
}

/// An update expression that sets some attributes and removes those of `optional` that are not set.
struct Update {
    expression: String,
    names: HashMap<String, String>,
    values: Item,
}

impl Update {
    fn setting(item: Item, optional: &[&str]) -> Self {
        let absent: Vec<_> = optional
            .iter()
            .filter(|name| !item.contains_key(**name))
            .collect();
        let mut names = HashMap::with_capacity(item.len() + absent.len());
        let mut values = HashMap::with_capacity(item.len() + 1);
        let mut sets = Vec::with_capacity(item.len());
        for (place, (name, value)) in item.into_iter().enumerate() {
            sets.push(format!("#s{place} = :s{place}"));
            names.insert(format!("#s{place}"), name);
            values.insert(format!(":s{place}"), value);
        }
        let mut removes = Vec::with_capacity(absent.len());
        for (place, name) in absent.into_iter().enumerate() {
            removes.push(format!("#r{place}"));
            names.insert(format!("#r{place}"), (*name).to_owned());
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

type UpdateError = aws_sdk_dynamodb::error::SdkError<UpdateItemError>;

/// The item that was there when a condition failed; the error, if it is another one.
fn condition_failed(error: UpdateError) -> Result<Option<Item>, Box<UpdateError>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(failed.item().cloned())
        }
        Some(_) | None => Err(Box::new(error)),
    }
}

/// Whether that very write made the item what it is.
fn wrote(item: &Item, write_id: &WriteId) -> bool {
    item.get("write_id") == Some(&string(write_id.as_str()))
}

fn read_job(operation: &'static str, item: Item) -> Result<Stored, StoreError> {
    let item: JobItem = from_item(operation, item)?;
    item.into_stored()
        .map_err(|reason| StoreError::unreadable(operation, reason))
}
