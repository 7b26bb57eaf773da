//! Sweeping: what should have happened by now and did not.
//!
//! Every write here is a transition like any other, conditional on what was seen, so that an agent's own write that slips
//! in wins, and any number of sweeps may run at once.

use super::JobOutcome;
use crate::call::string;
use crate::keys::{deadline_shard, millis, parse_deadline_sort};
use crate::schema::TableKind;
use crate::{Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::job::{Job, JobEvent, JobState, Loss};
use wire::{AgentId, JobId, JobStatus, TenantId};

/// How many jobs of one agent are given back in one go.
const MAX_GIVEN_BACK: usize = 100;

/// What a sweep did to one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Whose job it is.
    pub tenant: TenantId,
    /// The job.
    pub job_id: JobId,
    /// Where it stands now.
    pub status: JobStatus,
}

/// What a sweep of one shard came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// The jobs that it moved.
    pub moved: Vec<Returned>,
    /// How many entries were due. As many as the limit mean that there may be more.
    pub due: usize,
    /// How many of them could not be looked after. They stay due.
    pub failed: usize,
}

impl Store {
    /// Gives back claimed jobs that were not started and ends running ones that timed out, of one shard of the deadlines.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was moved before stays moved.
    pub async fn sweep_jobs(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        for (scope, job_id) in self.due_jobs(shard, now, limit).await? {
            swept.due += 1;
            let tenant = self.tenant(&scope);
            match tenant
                .sweep_job(&job_id, now, &WriteId::new(random()))
                .await
            {
                Ok(moved) => swept
                    .moved
                    .extend(moved.map(|status| returned(&scope, job_id, status))),
                Err(error @ StoreError::Busy { .. }) => return Err(error),
                // One item that cannot be read must not keep all that come after it from being looked after.
                Err(error) => {
                    tracing::error!(%error, %job_id, "a job could not be swept");
                    swept.failed += 1;
                }
            }
        }
        Ok(swept)
    }

    async fn due_jobs(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(TenantScope, JobId)>, StoreError> {
        const OPERATION: &str = "due_jobs";
        let answer = self
            .client
            .query()
            .table_name(self.tables.name(TableKind::Jobs))
            .index_name("deadline")
            .key_condition_expression("dpk = :shard AND dsk < :now")
            .expression_attribute_values(":shard", string(deadline_shard(shard)))
            .expression_attribute_values(":now", string(millis(now.plus_millis(1))))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.count_read(OPERATION, answer.consumed_capacity());
        let due = answer.items().iter().filter_map(|item| {
            let (scope, id) = parse_deadline_sort(item.get("dsk")?.as_s().ok()?)?;
            Some((scope, JobId::parse(id).ok()?))
        });
        Ok(due.collect())
    }
}

impl TenantStore<'_> {
    /// Looks at one job whose deadline has passed. The status that it was moved to, if it was.
    async fn sweep_job(
        &self,
        job_id: &JobId,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Option<JobStatus>, StoreError> {
        let Some(stored) = self.stored_job(job_id).await? else {
            return Ok(None);
        };
        let attempt = stored.job.attempt;
        let event = match &stored.job.state {
            JobState::Claimed { .. } => JobEvent::Lose {
                attempt,
                loss: Loss::Start,
            },
            JobState::Running { .. } => JobEvent::TimeOut { attempt },
            // The index was behind; the job has gone on.
            JobState::Queued
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. } => return Ok(None),
        };
        let outcome = self
            .change_seen_job("sweep_job", stored, &event, now, write_id)
            .await?;
        Ok(status_if_changed(outcome))
    }

    /// Gives back every job that the agent holds under an epoch of its lease before `epoch`. Up to 100 at a time: a full
    /// answer means that there may be more.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was given back before stays given back.
    pub async fn give_back_jobs(
        &self,
        agent_id: &AgentId,
        epoch: u32,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<Vec<Returned>, StoreError> {
        let mut moved = Vec::new();
        for job in self.live_jobs_of_agent(agent_id, MAX_GIVEN_BACK).await? {
            // The page was read eventually consistent: what is written is decided on the job as it is.
            let stored = match self.stored_job(&job.job_id).await {
                Ok(Some(stored)) => stored,
                Ok(None) => continue,
                Err(error @ StoreError::Busy { .. }) => return Err(error),
                // One that cannot be read must not keep the others from going back.
                Err(error) => {
                    tracing::error!(%error, job_id = %job.job_id, "a job could not be given back");
                    continue;
                }
            };
            if !is_lost(&stored.job, agent_id, epoch) {
                continue;
            }
            let event = JobEvent::Lose {
                attempt: stored.job.attempt,
                loss: Loss::Agent,
            };
            let write_id = WriteId::new(random());
            let outcome = self
                .change_seen_job("give_back_job", stored, &event, now, &write_id)
                .await?;
            let status = status_if_changed(outcome);
            moved.extend(status.map(|status| returned(self.scope, job.job_id.clone(), status)));
        }
        Ok(moved)
    }
}

/// Whether the agent holds the job under an epoch that is over.
fn is_lost(job: &Job, agent_id: &AgentId, epoch: u32) -> bool {
    job.holder()
        .is_some_and(|holder| holder.agent_id == *agent_id && holder.epoch < epoch)
}

fn returned(scope: &TenantScope, job_id: JobId, status: JobStatus) -> Returned {
    Returned {
        tenant: scope.tenant().clone(),
        job_id,
        status,
    }
}

fn status_if_changed(outcome: JobOutcome) -> Option<JobStatus> {
    match outcome {
        JobOutcome::Changed(change) => Some(change.after().status()),
        JobOutcome::AlreadyDone(_)
        | JobOutcome::Refused(..)
        | JobOutcome::Missing
        | JobOutcome::Contended => None,
    }
}
