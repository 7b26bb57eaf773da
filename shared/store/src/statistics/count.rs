//! Counting for a roll-up: bounded reads of the indexes.

use super::{ALL_POOLS, Open, PoolQueues, Slots, slot_of};
use crate::call::{Item, string};
use crate::keys::millis;
use crate::schema::TableKind;
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::pool::MAX_READY_SHARDS;
use std::collections::BTreeMap;
use wire::{JobId, JobStatus, PoolName};

const OPERATION: &str = "count_jobs";

/// How many pages of up to 1 MB one partition is read, about a million entries. What is beyond is not counted.
const MAX_PAGES: usize = 100;

/// How many live jobs are looked at one by one. Those beyond count as running.
const MAX_LIVE: usize = 10_000;

/// What ended since a time.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) by_pool: BTreeMap<String, Slots>,
    pub(super) all: Slots,
    /// Up to when that is all that ended.
    pub(super) until: Timestamp,
}

/// An item's string attribute.
fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// An item's number attribute.
fn count_ms(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

impl TenantStore<'_> {
    /// Sums up what ended since `from`, by pool and slot.
    pub(super) async fn ended_since(
        &self,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let mut ended = Ended {
            by_pool: BTreeMap::new(),
            all: Slots::new(),
            until: now,
        };
        for status in JobStatus::ALL
            .iter()
            .copied()
            .filter(|status| status.is_ended())
        {
            let query = self
                .count_query("state")
                .key_condition_expression("spk = :partition AND ssk BETWEEN :from AND :to")
                .expression_attribute_values(
                    ":partition",
                    string(self.scope.state(status.as_str())),
                )
                .expression_attribute_values(":from", string(millis(from)))
                .expression_attribute_values(":to", string(millis(now.plus_millis(1))));
            let cut = self
                .each_entry(query, |entry| {
                    let Some(at) = text(entry, "ssk").and_then(|sort| sort.get(..13)?.parse().ok())
                    else {
                        return;
                    };
                    let slot = slot_of(Timestamp::from_millis(at));
                    let (wait, execution) =
                        (count_ms(entry, "wait_ms"), count_ms(entry, "exec_ms"));
                    let pool = text(entry, "pool").unwrap_or(ALL_POOLS).to_owned();
                    for slots in [ended.by_pool.entry(pool).or_default(), &mut ended.all] {
                        slots
                            .entry(slot)
                            .or_default()
                            .count(status, wait, execution);
                    }
                })
                .await?;
            // What was not read to its end counts up to there; the next roll-up goes on.
            let read_to = cut
                .as_ref()
                .and_then(|last| text(last, "ssk")?.get(..13)?.parse().ok());
            if let Some(at) = read_to.map(Timestamp::from_millis) {
                ended.until = ended.until.min(at);
            }
        }
        Ok(ended)
    }

    /// Counts the claimed and running jobs of each pool.
    pub(super) async fn count_live(&self) -> Result<BTreeMap<String, Open>, StoreError> {
        let query = self
            .count_query("state")
            .key_condition_expression("spk = :partition")
            .expression_attribute_values(":partition", string(self.scope.state("LIVE")));
        let mut live = BTreeMap::<String, Open>::new();
        let mut ids = Vec::new();
        self.each_entry(query, |entry| {
            let id =
                text(entry, "ssk").and_then(|sort| JobId::parse(sort.rsplit('#').next()?).ok());
            match id {
                Some(id) if ids.len() < MAX_LIVE => ids.push(id),
                Some(_) | None => {
                    let pool = text(entry, "pool").unwrap_or(ALL_POOLS).to_owned();
                    live.entry(pool).or_default().running += 1;
                }
            }
        })
        .await?;
        for chunk in ids.chunks(100) {
            for job in self.jobs_by_ids(chunk).await? {
                let open = live.entry(job.spec.pool_name.to_string()).or_default();
                match job.status() {
                    JobStatus::Claimed => open.claimed += 1,
                    JobStatus::Running => open.running += 1,
                    // It went on since the index was read.
                    JobStatus::Queued
                    | JobStatus::Completed
                    | JobStatus::Failed
                    | JobStatus::DeadLettered
                    | JobStatus::Cancelled => {}
                }
            }
        }
        Ok(live)
    }

    /// Counts the jobs that wait in a pool's line, and those whose back-off has not passed.
    pub(super) async fn count_waiting(&self, pool: &PoolQueues) -> Result<Open, StoreError> {
        let mut open = Open::default();
        let ready =
            (0..pool.ready_shards.max(1)).map(|shard| self.scope.ready(&pool.pool_name, shard));
        for (place, partition) in [self.scope.not_due(&pool.pool_name)]
            .into_iter()
            .chain(ready)
            .enumerate()
        {
            let is_ready = place > 0;
            let query = self
                .count_query("ready")
                .key_condition_expression("rpk = :partition")
                .expression_attribute_values(":partition", string(partition))
                .projection_expression("rsk");
            self.each_entry(query, |entry| {
                open.queued += 1;
                // `<priority>#<ms>#<job>`; jobs that are not due yet do not wait.
                let available =
                    text(entry, "rsk").and_then(|sort| sort.split('#').nth(1)?.parse().ok());
                if let Some(at) = available.filter(|_| is_ready).map(Timestamp::from_millis) {
                    open.oldest = Some(open.oldest.map_or(at, |oldest| oldest.min(at)));
                }
            })
            .await?;
        }
        Ok(open)
    }

    /// Whether jobs of the pool have not ended.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn has_open_jobs(&self, pool: &PoolName) -> Result<bool, StoreError> {
        let widest = PoolQueues {
            pool_name: pool.clone(),
            ready_shards: MAX_READY_SHARDS,
        };
        let live = self.count_live().await?;
        Ok(live.contains_key(pool.as_str()) || self.count_waiting(&widest).await?.queued > 0)
    }

    fn count_query(&self, index: &str) -> QueryFluentBuilder {
        self.store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .index_name(index)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Calls for each entry, up to a limit. Where it stopped, if that was before the end.
    async fn each_entry(
        &self,
        query: QueryFluentBuilder,
        mut entry: impl FnMut(&Item),
    ) -> Result<Option<Item>, StoreError> {
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let answer = query
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
            self.store.count_read(OPERATION, answer.consumed_capacity());
            answer.items().iter().for_each(&mut entry);
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(start)
    }
}
