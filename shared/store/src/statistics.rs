//! Statistics of the last 24 hours, and how many agents there are, rolled up by `maintenance` and read with one item.
//!
//! Jobs that ended are summed up in slots of ten minutes. A slot is summed up anew from the index with every roll-up until
//! it is closed, two minutes after its end, and then added to what is closed. Nothing is ever incremented, so a roll-up
//! that is repeated, interrupted, or run by two functions at once comes to the same numbers.

mod count;
mod item;

use crate::call::{from_item, key, number, to_item};
use crate::schema::TableKind;
use crate::{AgentEntry, StoreError, TenantStore};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::agent::AgentCounts;
use domain::statistics::{Aggregate, Counts};
use item::{Slot, StatisticsItem};
use std::collections::BTreeMap;
use wire::PoolName;

/// The length of a slot, in milliseconds.
const SLOT_MS: i64 = 10 * 60 * 1000;

/// How long after its end a slot is closed, in milliseconds. Entries of the index that arrive later are not counted.
const CLOSE_AFTER_MS: i64 = 2 * 60 * 1000;

/// How far back the statistics reach, in milliseconds.
const WINDOW_MS: i64 = 24 * 3600 * 1000;

/// The sort key of every statistics item.
const STATISTICS: &str = "S";

/// Stands for all pools together.
const ALL_POOLS: &str = "*";

/// Statistics of one pool, or of all pools of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// When they were taken.
    pub as_of: Timestamp,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that are claimed and not started.
    pub claimed: u64,
    /// Jobs that run.
    pub running: u64,
    /// How long the job that waits longest has been available, in seconds; 0 if none waits.
    pub oldest_wait_seconds: f64,
    /// Agents.
    pub agents: AgentCounts,
    /// Jobs that ended in the last 24 hours, in steps of ten minutes.
    pub ended: Counts,
    /// Jobs that ended since the beginning.
    pub totals: Counts,
    /// Jobs that failed or were dead-lettered since midnight UTC.
    pub failed_today: u64,
    /// The average wait of the last 24 hours, in seconds.
    pub avg_wait_seconds: f64,
    /// The wait that 95 % of the last 24 hours did not exceed, in seconds.
    pub p95_wait_seconds: f64,
    /// The average run of the last 24 hours, in seconds.
    pub avg_execution_seconds: f64,
    /// (failed + dead-lettered) / (completed + failed + dead-lettered) of the last 24 hours.
    pub failure_rate: f64,
}

/// A pool, as far as its line is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolQueues {
    /// The pool.
    pub pool_name: PoolName,
    /// How many ready partitions it has.
    pub ready_shards: u32,
}

/// What one roll-up of a tenant came to.
#[derive(Debug)]
pub struct RollUp {
    /// The agents that it counted: all but those that deregistered.
    pub agents: Vec<AgentEntry>,
    /// The statistics of each pool.
    pub pools: BTreeMap<PoolName, Statistics>,
    /// The statistics of the tenant.
    pub tenant: Statistics,
    /// What the tenant's jobs that ended in the last 24 hours add up to.
    pub day: Aggregate,
    /// How many jobs have ended since the roll-up before this one. Of two at once, one counts them.
    pub ended_since: u64,
}

/// Agents, and jobs that have not ended, counted.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    agents: AgentCounts,
    queued: u64,
    claimed: u64,
    running: u64,
    oldest: Option<Timestamp>,
}

/// What ended, by slot, of one pool.
type Slots = BTreeMap<i64, Aggregate>;

fn slot_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(SLOT_MS) * SLOT_MS
}

impl TenantStore<'_> {
    /// The statistics of a pool, or of all pools, as the last roll-up left them. Zeros before the first.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. One eventually consistent read of one item.
    pub async fn statistics(
        &self,
        pool: Option<&PoolName>,
        now: Timestamp,
    ) -> Result<Statistics, StoreError> {
        let pool = pool.map_or(ALL_POOLS, PoolName::as_str);
        let item = self.statistics_item(pool, false).await?;
        Ok(item
            .unwrap_or_else(|| StatisticsItem::new(now))
            .statistics())
    }

    /// Takes the statistics of the tenant and its pools anew.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was written before stays, and the next roll-up makes good for the rest.
    pub async fn roll_up(
        &self,
        now: Timestamp,
        pools: &[PoolQueues],
    ) -> Result<RollUp, StoreError> {
        let mut items = BTreeMap::new();
        let names = pools
            .iter()
            .map(|pool| pool.pool_name.as_str())
            .chain([ALL_POOLS]);
        for name in names {
            let item = self.statistics_item(name, true).await?;
            items.insert(
                name.to_owned(),
                item.unwrap_or_else(|| StatisticsItem::new(now)),
            );
        }
        let from = items
            .values()
            .map(StatisticsItem::closed_through)
            .min()
            .unwrap_or(now);
        let ended = self.ended_since(from, now).await?;
        let live = self.count_live().await?;
        let agents = self.known_agents(None, now).await?;
        let mut rolled = BTreeMap::new();
        let mut all = Open {
            agents: agents.iter().map(|agent| agent.standing).collect(),
            ..Open::default()
        };
        for pool in pools {
            let name = pool.pool_name.as_str();
            let waiting = self.count_waiting(pool).await?;
            let live = live.get(name).copied().unwrap_or_default();
            let own = agents
                .iter()
                .filter(|agent| agent.pool_name == pool.pool_name);
            let open = Open {
                agents: own.map(|agent| agent.standing).collect(),
                claimed: live.claimed,
                running: live.running,
                ..waiting
            };
            all.queued += open.queued;
            all.oldest = [all.oldest, open.oldest].into_iter().flatten().min();
            if let Some(item) = items.remove(name) {
                let slots = ended.by_pool.get(name);
                let (item, _) = self
                    .write_statistics(name, item, open, slots, ended.until)
                    .await?;
                rolled.insert(pool.pool_name.clone(), item.statistics());
            }
        }
        // Live jobs of a pool that was deleted meanwhile still count for the tenant.
        for open in live.values() {
            all.claimed += open.claimed;
            all.running += open.running;
        }
        let item = items
            .remove(ALL_POOLS)
            .unwrap_or_else(|| StatisticsItem::new(now));
        let (item, ended_since) = self
            .write_statistics(ALL_POOLS, item, all, Some(&ended.all), ended.until)
            .await?;
        Ok(RollUp {
            agents,
            pools: rolled,
            tenant: item.statistics(),
            day: item.day(),
            ended_since,
        })
    }

    async fn statistics_item(
        &self,
        pool: &str,
        consistent: bool,
    ) -> Result<Option<StatisticsItem>, StoreError> {
        const OPERATION: &str = "get_statistics";
        let answer = self
            .store
            .client
            .get_item()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .set_key(Some(key(self.scope.statistics(pool), STATISTICS)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        answer
            .item
            .map(|item| from_item(OPERATION, item))
            .transpose()
    }

    /// Writes a roll-up, unless another one was written since this one began: that one is as good. What it is, and how many
    /// jobs have ended since the one before, if it was written and there was one before.
    async fn write_statistics(
        &self,
        pool: &str,
        item: StatisticsItem,
        open: Open,
        slots: Option<&Slots>,
        as_of: Timestamp,
    ) -> Result<(StatisticsItem, u64), StoreError> {
        const OPERATION: &str = "roll_up";
        let (seen, ended_before) = (item.revision(), item.ended());
        let rolled = item.roll(open, slots.unwrap_or(&Slots::new()), as_of);
        let mut attributes = to_item(OPERATION, &rolled)?;
        attributes.extend(key(self.scope.statistics(pool), STATISTICS));
        let answer = self
            .store
            .client
            .put_item()
            .table_name(self.store.tables.name(TableKind::Jobs))
            .set_item(Some(attributes))
            .condition_expression("attribute_not_exists(pk) OR revision = :seen")
            .expression_attribute_values(":seen", number(seen))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                // The first one finds what ended within a day before it.
                let ended = if seen == 0 { 0 } else { rolled.ended() };
                // A job that is run again counts no more as ended.
                Ok((rolled, ended.saturating_sub(ended_before)))
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => {
                    self.store.meter.lost_race(OPERATION);
                    Ok((rolled, 0))
                }
                Some(_) | None => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }
}

/// Which slots of the past a set of slots has closed by `as_of`.
fn closable(slot: i64, as_of: Timestamp) -> bool {
    slot + SLOT_MS + CLOSE_AFTER_MS <= as_of.as_millis()
}

/// A closed slot is kept for as long as the statistics reach back.
fn in_window(slot: &Slot, as_of: Timestamp) -> bool {
    slot.start_ms + SLOT_MS > as_of.as_millis() - WINDOW_MS
}

#[cfg(test)]
mod tests;
