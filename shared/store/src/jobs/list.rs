//! Lists of jobs: keys from an index, a page at a time, and the items behind them.

use super::item::LIVE;
use super::{JOB, read_job};
use crate::call::{Item, key, string};
use crate::schema::{PK, TableKind};
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::job::Job;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use wire::{AgentId, JobId, JobStatus, PoolName};

const OPERATION: &str = "list_jobs";

/// How many keys one read of a list asks for, which is also what `BatchGetItem` takes.
const CHUNK: usize = 100;

/// How many jobs a page looks at, at most, to find those that are asked for.
const MAX_EXAMINED: usize = 1_000;

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Those in this status.
    pub status: Option<JobStatus>,
    /// Those that have not ended.
    pub open: bool,
    /// Those of this pool.
    pub pool: Option<PoolName>,
    /// Those whose last attempt is, or was, this agent's. Without a status: those that it holds.
    pub agent: Option<AgentId>,
    /// Those with this text in their type, repository, ref, commit, author or id, in any case.
    pub text: Option<String>,
}

/// Where a page ended: the sort key, in the index that the filter reads, of its last job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPosition(String);

/// A page of a list.
#[derive(Debug, Default)]
pub struct JobPage {
    /// The jobs, newest first. Fewer than asked for, even none, do not mean that the list ends.
    pub jobs: Vec<Job>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<JobPosition>,
}

/// The part of an index that a filter reads, newest first.
struct Range {
    index: &'static str,
    partition_key: &'static str,
    sort_key: &'static str,
    partition: String,
    prefix: Option<String>,
}

impl JobFilter {
    /// Whether the job is one of those that are listed.
    pub fn matches(&self, job: &Job) -> bool {
        let last_agent = job
            .holder()
            .map(|holder| &holder.agent_id)
            .or_else(|| job.history.last().and_then(|last| last.agent_id.as_ref()));
        self.status.is_none_or(|status| status == job.status())
            && !(self.open && job.status().is_ended())
            && self
                .pool
                .as_ref()
                .is_none_or(|pool| *pool == job.spec.pool_name)
            && self
                .agent
                .as_ref()
                .is_none_or(|agent| last_agent == Some(agent))
            && self
                .text
                .as_ref()
                .is_none_or(|text| contains(job, &text.to_lowercase()))
    }
}

fn contains(job: &Job, text: &str) -> bool {
    let spec = &job.spec;
    [
        Some(job.job_id.as_str()),
        Some(spec.job_type.as_str()),
        Some(spec.git_repo.as_str()),
        Some(spec.git_commit_sha.as_str()),
        spec.git_ref.as_ref().map(wire::GitRef::as_str),
        spec.git_author.as_ref().map(wire::GitAuthor::as_str),
    ]
    .into_iter()
    .flatten()
    .any(|field| field.to_lowercase().contains(text))
}

impl TenantStore<'_> {
    /// A page of the tenant's jobs.
    ///
    /// Looks at no more than 1,000 jobs for it. Ended jobs of one status come in the order of their end, claimed and
    /// running ones by agent, all others in the order of their enqueueing; newest first.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        limit: usize,
        after: Option<&JobPosition>,
    ) -> Result<JobPage, StoreError> {
        let range = self.range(filter);
        let mut page = JobPage::default();
        let mut position = after.cloned();
        let mut examined = 0;
        while examined < MAX_EXAMINED {
            let sorts = self
                .keys(&range, CHUNK.min(limit.max(10)), position.as_ref())
                .await?;
            let ids: Vec<_> = sorts.iter().filter_map(|sort| id_of(sort)).collect();
            let mut found = self.items(&ids).await?;
            for (sort, id) in sorts.iter().zip(&ids) {
                if let Some(job) = found.remove(id).filter(|job| filter.matches(job)) {
                    page.jobs.push(job);
                }
                position = Some(JobPosition(sort.clone()));
                if page.jobs.len() >= limit {
                    page.next = position;
                    return Ok(page);
                }
            }
            examined += sorts.len();
            if sorts.is_empty() {
                return Ok(page);
            }
        }
        page.next = position;
        Ok(page)
    }

    /// These jobs, as they were a moment ago; those that do not exist are left out. At most 100.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads half a unit a job.
    pub async fn jobs_by_ids(&self, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let mut found = self.items(ids).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// The jobs that an agent holds, up to `limit`.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn live_jobs_of_agent(
        &self,
        agent: &AgentId,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let filter = JobFilter {
            agent: Some(agent.clone()),
            open: true,
            ..JobFilter::default()
        };
        let sorts = self
            .keys(&self.range(&filter), limit.min(CHUNK), None)
            .await?;
        let ids: Vec<_> = sorts.iter().filter_map(|sort| id_of(sort)).collect();
        let mut jobs = self.jobs_by_ids(&ids).await?;
        jobs.retain(|job| job.holder().is_some_and(|holder| holder.agent_id == *agent));
        Ok(jobs)
    }

    fn range(&self, filter: &JobFilter) -> Range {
        let group = match filter.status {
            Some(JobStatus::Claimed | JobStatus::Running) => Some(LIVE),
            Some(status) if status.is_ended() => Some(status.as_str()),
            Some(JobStatus::Queued) => None,
            Some(_) | None => filter.agent.is_some().then_some(LIVE),
        };
        match group {
            None => Range {
                index: "list",
                partition_key: "lpk",
                sort_key: "lsk",
                partition: self.scope.created_jobs(),
                prefix: None,
            },
            Some(group) => Range {
                index: "state",
                partition_key: "spk",
                sort_key: "ssk",
                partition: self.scope.state(group),
                prefix: (group == LIVE)
                    .then(|| filter.agent.as_ref().map(|agent| format!("{agent}#")))
                    .flatten(),
            },
        }
    }

    /// The sort keys of the next entries.
    async fn keys(
        &self,
        range: &Range,
        limit: usize,
        after: Option<&JobPosition>,
    ) -> Result<Vec<String>, StoreError> {
        let start = after.and_then(|JobPosition(sort)| {
            // Positions come back from callers. One outside of the range would be refused as a fault of ours.
            if range
                .prefix
                .as_ref()
                .is_some_and(|prefix| !sort.starts_with(prefix.as_str()))
            {
                return None;
            }
            let id = id_of(sort)?;
            let mut start = key(self.scope.job(&id), JOB);
            start.insert(
                range.partition_key.to_owned(),
                string(range.partition.clone()),
            );
            start.insert(range.sort_key.to_owned(), string(sort.clone()));
            Some(start)
        });
        let condition = match range.prefix {
            None => "#partition = :partition",
            Some(_) => "#partition = :partition AND begins_with(#sort, :prefix)",
        };
        let mut query = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .index_name(range.index)
            .key_condition_expression(condition)
            .expression_attribute_names("#partition", range.partition_key)
            .expression_attribute_values(":partition", string(range.partition.clone()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(prefix) = &range.prefix {
            query = query
                .expression_attribute_names("#sort", range.sort_key)
                .expression_attribute_values(":prefix", string(prefix.clone()));
        }
        let answer = query
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .filter_map(|mut item| item.remove(range.sort_key)?.as_s().ok().cloned())
            .collect())
    }

    async fn items(&self, ids: &[JobId]) -> Result<HashMap<JobId, Job>, StoreError> {
        let mut jobs = HashMap::with_capacity(ids.len());
        let mut wanted: Vec<Item> = ids
            .iter()
            .take(CHUNK)
            .map(|id| key(self.scope.job(id), JOB))
            .collect();
        wanted.sort_by(|left, right| left[PK].as_s().ok().cmp(&right[PK].as_s().ok()));
        wanted.dedup();
        // Two halves at once: while one is read here, the other is read there.
        let halves = wanted.chunks(CHUNK / 2).map(|half| {
            let store = self.store;
            store.batch_get(OPERATION, TableKind::Jobs, half.to_vec())
        });
        for half in futures_util::future::join_all(halves).await {
            for item in half? {
                // A list with one hole is better than none.
                match read_job(OPERATION, item) {
                    Ok(job) => drop(jobs.insert(job.job_id.clone(), job)),
                    Err(error) => tracing::error!(%error, "a job is left out of a list"),
                }
            }
        }
        Ok(jobs)
    }
}

/// The job at the end of a sort key.
fn id_of(sort: &str) -> Option<JobId> {
    JobId::parse(sort.rsplit('#').next()?).ok()
}
