//! Claiming: the first jobs in line go to an agent, each to one.
//!
//! A claim reads the head of each ready partition and, unless this was done a moment ago, what is due of the waiting ones, and
//! takes jobs by one conditional write each. What it reads does not grow with the number of jobs that wait.

use super::item::{LIVE, live_sort};
use super::{JOB, read_stored, wrote};
use crate::call::{key, number, string};
use crate::keys::{deadline_partition, deadline_sort, millis};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use domain::Timestamp;
use domain::job::{Holder, Job};
use domain::timing::START_WITHIN_SECONDS;
use futures_util::future::{OptionFuture, join, join_all};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wire::{JobId, PoolName};

const OPERATION: &str = "claim_job";

/// How many candidates a claim reads of each partition. An entry has about 200 bytes, so that a page stays within one
/// half read unit of 4 KB.
const PAGE: i32 = 16;

/// How often a claim reads the line anew after it lost every candidate to others.
const MAX_ROUNDS: usize = 3;

/// How many candidates one claim tries to take: whoever loses as often comes again.
const MAX_TRIES: usize = 40;

/// The widest window.
const MAX_WINDOW: usize = 16;

/// How long a process that found no job due gives others from a line that has enough, before it looks again.
const LOOK_AGAIN_MILLIS: i64 = 1_000;

/// Where a claimer looks for jobs, by pool. Remembered in the warm process; clones share it.
///
/// Claimers that all take the head lose to each other again and again. One that lost picks at random among the first few
/// candidates of the same priority, in a window that doubles with each lost race and narrows by one with each win; a claimer
/// that is alone takes the head. And of many claims in a second, one looks for jobs that have become due.
#[derive(Debug, Clone, Default)]
pub struct ClaimOrder(Arc<Mutex<HashMap<String, Line>>>);

/// What is remembered of one pool's line.
#[derive(Debug)]
struct Line {
    window: usize,
    /// When the line had enough and no job was found due.
    none_due: Option<Timestamp>,
}

impl ClaimOrder {
    fn with<T>(&self, pool: &str, use_it: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A warm process serves any number of tenants; what it remembers stays small.
        if lines.len() > 10_000 {
            lines.clear();
        }
        let line = lines.entry(pool.to_owned()).or_insert(Line {
            window: 1,
            none_due: None,
        });
        use_it(line)
    }

    fn window(&self, pool: &str) -> usize {
        self.with(pool, |line| line.window)
    }

    fn adapt(&self, pool: &str, won: bool) {
        self.with(pool, |line| {
            line.window = if won {
                line.window.saturating_sub(1).max(1)
            } else {
                (line.window * 2).min(MAX_WINDOW)
            };
        });
    }

    /// Whether it is time to look for jobs that have become due.
    fn looks_for_due(&self, pool: &str, now: Timestamp) -> bool {
        let seen = self.with(pool, |line| line.none_due);
        seen.is_none_or(|seen| !(0..LOOK_AGAIN_MILLIS).contains(&now.millis_since(seen)))
    }

    fn remember_due(&self, pool: &str, none_due: Option<Timestamp>) {
        self.with(pool, |line| line.none_due = none_due);
    }
}

/// An agent's wish for work.
#[derive(Debug)]
pub struct ClaimWish<'a> {
    /// The pool.
    pub pool: &'a PoolName,
    /// How many ready partitions the pool has.
    pub ready_shards: u32,
    /// The agent, and the epoch of its lease.
    pub holder: &'a Holder,
    /// How many jobs at most.
    pub max_jobs: usize,
    /// Where to look.
    pub order: &'a ClaimOrder,
}

/// What a claim came to.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The jobs that the agent now holds.
    pub jobs: Vec<Job>,
    /// Candidates that somebody else took first.
    pub lost_races: u32,
}

/// A job at the head of the line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    priority: u8,
    available_ms: i64,
    pub(super) job_id: JobId,
    /// The sort key that it was seen under: a claim holds only if it still has that.
    ready_sort: String,
}

impl Candidate {
    /// Reads `<priority>#<ms>#<job>`, or `<ms>#<priority>#<job>` where jobs wait to be due.
    pub(super) fn parse(ready_sort: &str, due: bool) -> Option<Self> {
        let mut parts = ready_sort.splitn(3, '#');
        let (first, second) = (parts.next()?, parts.next()?);
        let (priority, available) = if due {
            (first, second)
        } else {
            (second, first)
        };
        Some(Self {
            priority: priority.parse().ok()?,
            available_ms: available.parse().ok()?,
            job_id: JobId::parse(parts.next()?).ok()?,
            ready_sort: ready_sort.to_owned(),
        })
    }
}

impl TenantStore<'_> {
    /// Gives the agent jobs from the head of the pool's line.
    ///
    /// `random` yields a write id for each try and a number to pick by.
    ///
    /// # Errors
    /// [`StoreError`] as every operation, if no job was claimed before it; else the jobs that were. Reads half a unit for
    /// each ready partition, and half a unit for the jobs that wait to be due unless it was told a moment ago that none is;
    /// writes 4 units for a job.
    pub async fn claim_jobs(
        &self,
        wish: &ClaimWish<'_>,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<Claimed, StoreError> {
        let ClaimWish {
            pool,
            holder,
            max_jobs,
            order,
            ..
        } = *wish;
        let line_key = self.scope.ready(pool, 0);
        let mut claimed = Claimed::default();
        let mut tries = 0;
        for round in 0..MAX_ROUNDS {
            // Whoever lost all that the line had looks everywhere.
            let looks = round > 0 || order.looks_for_due(&line_key, now);
            let (mut line, more) = match self.head_of_line(wish, &line_key, looks, now).await {
                Ok(line) => line,
                Err(_) if !claimed.jobs.is_empty() => return Ok(claimed),
                Err(error) => return Err(error),
            };
            while claimed.jobs.len() < max_jobs && !line.is_empty() && tries < MAX_TRIES {
                tries += 1;
                let window = order.window(&line_key);
                let candidate = line.remove(pick(&line, window, random()));
                let write_id = WriteId::new(random());
                match self
                    .claim_candidate(&candidate, holder, now, &write_id)
                    .await
                {
                    Ok(Some(job)) => {
                        order.adapt(&line_key, true);
                        claimed.jobs.push(job);
                    }
                    Ok(None) => {
                        order.adapt(&line_key, false);
                        claimed.lost_races += 1;
                    }
                    // What was claimed must reach the agent, or it would be lost until its time to start has passed.
                    Err(_) if !claimed.jobs.is_empty() => return Ok(claimed),
                    Err(error) => return Err(error),
                }
            }
            if claimed.jobs.len() >= max_jobs || !more {
                break;
            }
        }
        Ok(claimed)
    }

    /// The first candidates in order, and whether there may be more. Unless the caller looks for jobs that have become due,
    /// these are read only if there are too few others.
    async fn head_of_line(
        &self,
        wish: &ClaimWish<'_>,
        line_key: &str,
        looks: bool,
        now: Timestamp,
    ) -> Result<(Vec<Candidate>, bool), StoreError> {
        let ready = (0..wish.ready_shards.max(1)).map(|shard| self.scope.ready(wish.pool, shard));
        let ready = ready.map(|partition| self.ready_page(OPERATION, partition, None));
        let (partition, before) = (self.scope.not_due(wish.pool), millis(now.plus_millis(1)));
        let read_due = || self.ready_page(OPERATION, partition.clone(), Some(before.clone()));
        let due = OptionFuture::from(looks.then(read_due));
        let (ready, due) = join(join_all(ready), due).await;
        let (mut line, mut more) = (Vec::new(), false);
        for page in ready {
            let page = page?;
            more |= page.len() >= PAGE as usize;
            line.extend(page.iter().filter_map(|it| Candidate::parse(it, true)));
        }
        let is_short = line.len() < wish.max_jobs;
        let due = match due {
            Some(page) => Some(page?),
            None if is_short => Some(read_due().await?),
            None => None,
        };
        if let Some(due) = due {
            let none_due = (due.is_empty() && !is_short).then_some(now);
            wish.order.remember_due(line_key, none_due);
            more |= due.len() >= PAGE as usize;
            line.extend(due.iter().filter_map(|it| Candidate::parse(it, false)));
        } else {
            more = true;
        }
        line.sort_unstable();
        Ok((line, more))
    }

    /// The sort keys at the head of one partition of the `ready` index.
    pub(super) async fn ready_page(
        &self,
        operation: &'static str,
        partition: String,
        before: Option<String>,
    ) -> Result<Vec<String>, StoreError> {
        let mut query = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .index_name("ready")
            .expression_attribute_values(":partition", string(partition))
            .limit(PAGE)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        query = match before {
            None => query.key_condition_expression("rpk = :partition"),
            Some(before) => query
                .key_condition_expression("rpk = :partition AND rsk < :before")
                .expression_attribute_values(":before", string(before)),
        };
        let answer = query
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.store.count_read(operation, answer.consumed_capacity());
        let sorts = answer.items.unwrap_or_default().into_iter();
        Ok(sorts
            .filter_map(|mut item| item.remove("rsk")?.as_s().ok().cloned())
            .collect())
    }

    /// Takes one job, if it still waits where it was seen. It is not read before: what the write needs is in its key.
    async fn claim_candidate(
        &self,
        candidate: &Candidate,
        holder: &Holder,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Option<Job>, StoreError> {
        const UPDATE: &str = "SET #status = :claimed, attempt = attempt + :one, holder = :agent, epoch = :epoch, \
            claimed_ms = :now, dpk = :dpk, dsk = :dsk, spk = :spk, ssk = :ssk, wait_ms = :wait, \
            revision = revision + :one, write_id = :write_id REMOVE rpk, rsk";
        let job_id = &candidate.job_id;
        let deadline = now.plus_seconds(START_WITHIN_SECONDS);
        let available = Timestamp::from_millis(candidate.available_ms);
        let answer = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .set_key(Some(key(self.scope.job(job_id), JOB)))
            .update_expression(UPDATE)
            .condition_expression("#status = :queued AND rsk = :seen")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":queued", string("QUEUED"))
            .expression_attribute_values(":seen", string(candidate.ready_sort.clone()))
            .expression_attribute_values(":claimed", string("CLAIMED"))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":agent", string(holder.agent_id.as_str()))
            .expression_attribute_values(":epoch", number(holder.epoch))
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":dpk", string(deadline_partition(job_id.as_str())))
            .expression_attribute_values(
                ":dsk",
                string(deadline_sort(
                    deadline,
                    self.scope.tenant(),
                    job_id.as_str(),
                )),
            )
            .expression_attribute_values(":spk", string(self.scope.state(LIVE)))
            .expression_attribute_values(
                ":ssk",
                string(live_sort(&holder.agent_id, now, job_id.as_str())),
            )
            .expression_attribute_values(":wait", number(now.millis_since(available)))
            .expression_attribute_values(":write_id", string(write_id.as_str()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        let item = match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                answer.attributes
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    self.store.meter.lost_race(OPERATION);
                    failed
                        .item()
                        .filter(|found| wrote(found, write_id))
                        .cloned()
                }
                Some(_) | None => return Err(StoreError::from_sdk(OPERATION, &error)),
            },
        };
        let Some(item) = item else { return Ok(None) };
        let stored = read_stored(OPERATION, item)?;
        let job = stored.job.clone();
        // Its agent will soon start and complete it, and this process may be the one that is asked.
        self.store.memory.jobs.put(self.scope.job(job_id), stored);
        Ok(Some(job))
    }
}

/// Which candidate to try: one of the first `window` that have the priority of the head.
fn pick(line: &[Candidate], window: usize, random: [u8; 8]) -> usize {
    let head = line.first().map(|first| first.priority);
    let equals = line
        .iter()
        .take_while(|candidate| Some(candidate.priority) == head)
        .count();
    let choices = window.min(equals).max(1) as u64;
    usize::try_from(u64::from_le_bytes(random) % choices).unwrap_or_default()
}
