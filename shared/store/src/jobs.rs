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
pub use enqueue::{Enqueued, JobOrigin, NewJob};
pub use list::{JobFilter, JobPage, JobPosition};
pub use sweep::{Returned, Swept};

use crate::call::{Item, from_item, key, string};
use crate::schema::TableKind;
use crate::update::Outcome;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::job::{Job, JobChange, JobEvent, Transition, TransitionError, transition};
use item::JobItem;
use wire::{AgentId, JobId};

/// How often a change is decided anew when somebody else wrote in between.
const MAX_DECISIONS: usize = 3;

/// What became of a job that was to be written: what of its item changes, as it is now.
type Written = Outcome<Item, Box<Stored>>;

/// The sort key of every job item.
pub(crate) const JOB: &str = "J";

/// A job as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    job: Job,
    /// The number of ready partitions that it was enqueued under.
    shards: u32,
    /// What of its item changes, to write no more than what differs.
    seen: Item,
}

impl Stored {
    fn is_held_by(&self, agent_id: &AgentId) -> bool {
        let holder = self.job.holder();
        holder.is_some_and(|holder| holder.agent_id == *agent_id)
    }
}

/// What became of an event.
#[derive(Debug)]
pub enum JobOutcome {
    /// It changed the job so.
    Changed(Box<JobChange>),
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
            .map(|item| read_stored(OPERATION, item))
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

    /// What `event` does to a job that the agent holds. If it is not the agent's, if nothing is to be written, or if others
    /// keep writing: `None`, and nothing was changed.
    ///
    /// The write holds only if the agent still has the job, so it proves that the agent's session had not ended: whoever
    /// ends a session takes its jobs away. A job that was claimed or started in this process is not read.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn change_held_job(
        &self,
        operation: &'static str,
        agent_id: &AgentId,
        (job_id, event): (&JobId, &JobEvent),
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Option<Job>, StoreError> {
        let memory = &self.store.memory.jobs;
        let partition = self.scope.job(job_id);
        let mut seen = match memory.take(&partition) {
            Some(stored) => Some(stored),
            None => self.stored_job(job_id).await?,
        };
        for _ in 0..MAX_DECISIONS {
            let Some(stored) = seen.filter(|stored| stored.is_held_by(agent_id)) else {
                return Ok(None);
            };
            let Ok(Transition::Apply(change)) = transition(&stored.job, event, now) else {
                return Ok(None);
            };
            match self
                .write_job(operation, &stored, change.after(), now, write_id)
                .await?
            {
                Outcome::Applied(seen) => {
                    let job = change.into_after();
                    let shards = stored.shards;
                    let stored = Stored {
                        job: job.clone(),
                        shards,
                        seen,
                    };
                    if stored.is_held_by(agent_id) {
                        memory.put(partition, stored);
                    }
                    return Ok(Some(job));
                }
                Outcome::Stale(found) => seen = Some(*found),
                Outcome::Missing => return Ok(None),
            }
        }
        Ok(None)
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
                Ok(Transition::Apply(change)) => change,
                Ok(Transition::AlreadyDone) => return Ok(JobOutcome::AlreadyDone(stored.job)),
                Err(refusal) => return Ok(JobOutcome::Refused(refusal, stored.job)),
            };
            match self
                .write_job(operation, &stored, change.after(), now, write_id)
                .await?
            {
                Outcome::Applied(_) => return Ok(JobOutcome::Changed(change)),
                Outcome::Stale(found) => stored = *found,
                Outcome::Missing => return Ok(JobOutcome::Missing),
            }
        }
        Ok(JobOutcome::Contended)
    }

    /// Writes a job if it still is as it was seen. The parts of the item that never change stay untouched, and so do
    /// attributes that a newer version may have added.
    async fn write_job(
        &self,
        operation: &'static str,
        stored: &Stored,
        after: &Job,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Written, StoreError> {
        let mut item = JobItem::of(self.scope, after, stored.shards, now, write_id)?
            .into_changing(operation)?;
        item.extend(key(self.scope.job(&after.job_id), JOB));
        let written = self
            .store
            .update_item(operation, TableKind::Jobs, &stored.seen, item, write_id)
            .await?;
        Ok(match written {
            Outcome::Applied(item) => Outcome::Applied(item::changing_part(&item)),
            Outcome::Stale(found) => Outcome::Stale(Box::new(read_stored(operation, found)?)),
            Outcome::Missing => Outcome::Missing,
        })
    }
}

/// Whether that very write made the item what it is.
fn wrote(item: &Item, write_id: &WriteId) -> bool {
    item.get("write_id") == Some(&string(write_id.as_str()))
}

/// A job that is to be changed.
fn read_stored(operation: &'static str, item: Item) -> Result<Stored, StoreError> {
    let seen = item::changing_part(&item);
    let (job, shards) = read_item(operation, item)?;
    Ok(Stored { job, shards, seen })
}

/// A job that is only looked at.
fn read_job(operation: &'static str, item: Item) -> Result<Job, StoreError> {
    Ok(read_item(operation, item)?.0)
}

/// A job, and where the request came from that put it in line.
pub(crate) fn read_recorded(
    operation: &'static str,
    item: Item,
) -> Result<(Job, Option<JobOrigin>), StoreError> {
    let origin = JobOrigin::of(&item);
    Ok((read_job(operation, item)?, origin))
}

fn read_item(operation: &'static str, item: Item) -> Result<(Job, u32), StoreError> {
    let item: JobItem = from_item(operation, item)?;
    item.into_job()
        .map_err(|reason| StoreError::unreadable(operation, reason))
}
