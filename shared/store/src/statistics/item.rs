//! A roll-up as an item.

use super::{Open, SLOT_MS, Slots, Statistics, WINDOW_MS, closable, in_window, slot_of};
use domain::Timestamp;
use domain::agent::AgentCounts;
use domain::statistics::{Aggregate, Counts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The statistics of one pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StatisticsItem {
    as_of_ms: i64,
    /// The end of the last closed slot.
    closed_through_ms: i64,
    queued: u64,
    claimed: u64,
    running: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest_ms: Option<i64>,
    #[serde(default)]
    agents: AgentCountsItem,
    /// Closed slots of the last 24 hours that are not empty, oldest first.
    closed: Vec<Slot>,
    /// What ended since the last closed slot.
    open: Vec<Slot>,
    /// Everything that ended in closed slots since the beginning.
    totals: SlotCounts,
    revision: u64,
}

/// Agents; none in an item that was written before they were counted.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct AgentCountsItem {
    healthy: u64,
    degraded: u64,
    draining: u64,
    paused: u64,
    offline: u64,
}

impl AgentCountsItem {
    fn of(agents: AgentCounts) -> Self {
        Self {
            healthy: agents.healthy,
            degraded: agents.degraded,
            draining: agents.draining,
            paused: agents.paused,
            offline: agents.offline,
        }
    }

    fn counts(self) -> AgentCounts {
        AgentCounts {
            healthy: self.healthy,
            degraded: self.degraded,
            draining: self.draining,
            paused: self.paused,
            offline: self.offline,
        }
    }
}

/// Completed, failed, dead-lettered, cancelled.
type SlotCounts = (u64, u64, u64, u64);

/// A slot, with short names because an item holds up to 145 of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slot {
    #[serde(rename = "t")]
    pub(super) start_ms: i64,
    #[serde(rename = "n")]
    counts: SlotCounts,
    #[serde(rename = "w")]
    wait_ms: u64,
    #[serde(rename = "x")]
    execution_ms: u64,
    #[serde(rename = "r")]
    executions: u64,
    /// Bucket and count, one after the other.
    #[serde(rename = "h")]
    waits: Vec<u64>,
}

fn counts((completed, failed, dead_lettered, cancelled): SlotCounts) -> Counts {
    Counts {
        completed,
        failed,
        dead_lettered,
        cancelled,
    }
}

fn slot_counts(counts: Counts) -> SlotCounts {
    (
        counts.completed,
        counts.failed,
        counts.dead_lettered,
        counts.cancelled,
    )
}

impl Slot {
    fn of(start_ms: i64, aggregate: &Aggregate) -> Self {
        Self {
            start_ms,
            counts: slot_counts(aggregate.counts),
            wait_ms: aggregate.wait_ms,
            execution_ms: aggregate.execution_ms,
            executions: aggregate.executions,
            waits: aggregate
                .waits
                .iter()
                .flat_map(|(bucket, count)| [u64::from(*bucket), *count])
                .collect(),
        }
    }

    fn aggregate(&self) -> Aggregate {
        let waits = self.waits.as_chunks::<2>().0.iter();
        Aggregate {
            counts: counts(self.counts),
            wait_ms: self.wait_ms,
            execution_ms: self.execution_ms,
            executions: self.executions,
            waits: waits
                .map(|[bucket, count]| (u8::try_from(*bucket).unwrap_or(u8::MAX), *count))
                .collect::<BTreeMap<_, _>>(),
        }
    }
}

impl StatisticsItem {
    /// The state before the first roll-up. It counts what ended in the 24 hours before it as well.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            as_of_ms: now.as_millis(),
            closed_through_ms: slot_of(now.plus_millis(-WINDOW_MS)),
            queued: 0,
            claimed: 0,
            running: 0,
            oldest_ms: None,
            agents: AgentCountsItem::default(),
            closed: Vec::new(),
            open: Vec::new(),
            totals: (0, 0, 0, 0),
            revision: 0,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// From when on slots are summed up anew.
    pub(super) fn closed_through(&self) -> Timestamp {
        Timestamp::from_millis(self.closed_through_ms)
    }

    /// The next roll-up: `slots` is everything that ended in [`closed_through`](Self::closed_through) or later.
    pub(super) fn roll(mut self, open: Open, slots: &Slots, as_of: Timestamp) -> Self {
        let mut totals = counts(self.totals);
        let mut still_open = Vec::new();
        for (start, aggregate) in slots.range(self.closed_through_ms..) {
            if closable(*start, as_of) {
                totals.add(aggregate.counts);
                self.closed.push(Slot::of(*start, aggregate));
            } else {
                still_open.push(Slot::of(*start, aggregate));
            }
        }
        self.closed.retain(|slot| in_window(slot, as_of));
        while closable(self.closed_through_ms, as_of) {
            self.closed_through_ms += SLOT_MS;
        }
        Self {
            as_of_ms: as_of.as_millis(),
            queued: open.queued,
            claimed: open.claimed,
            running: open.running,
            oldest_ms: open.oldest.map(Timestamp::as_millis),
            agents: AgentCountsItem::of(open.agents),
            open: still_open,
            totals: slot_counts(totals),
            revision: self.revision + 1,
            ..self
        }
    }

    /// How many jobs have ended since the beginning.
    pub(super) fn ended(&self) -> u64 {
        self.totals().total()
    }

    fn totals(&self) -> Counts {
        let mut totals = counts(self.totals);
        for slot in &self.open {
            totals.add(counts(slot.counts));
        }
        totals
    }

    /// What ended in the last 24 hours, by slot.
    fn slots_of_the_day(&self) -> impl Iterator<Item = &Slot> {
        let as_of = Timestamp::from_millis(self.as_of_ms);
        self.closed
            .iter()
            .chain(&self.open)
            .filter(move |slot| in_window(slot, as_of))
    }

    /// What ended in the last 24 hours, added up.
    pub(super) fn day(&self) -> Aggregate {
        let mut day = Aggregate::default();
        for slot in self.slots_of_the_day() {
            day.add(&slot.aggregate());
        }
        day
    }

    pub(super) fn statistics(&self) -> Statistics {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        let as_of = Timestamp::from_millis(self.as_of_ms);
        let midnight = self.as_of_ms.div_euclid(DAY_MS) * DAY_MS;
        let day = self.day();
        let today = self
            .slots_of_the_day()
            .filter(|slot| slot.start_ms >= midnight)
            .map(|slot| counts(slot.counts));
        let failed_today = today.map(|today| today.failed + today.dead_lettered).sum();
        let oldest = self.oldest_ms.map_or(0, |oldest| {
            as_of.millis_since(Timestamp::from_millis(oldest))
        });
        Statistics {
            as_of,
            queued: self.queued,
            claimed: self.claimed,
            running: self.running,
            oldest_wait_seconds: oldest as f64 / 1000.0,
            agents: self.agents.counts(),
            ended: day.counts,
            totals: self.totals(),
            failed_today,
            avg_wait_seconds: day.avg_wait_seconds(),
            p95_wait_seconds: day.p95_wait_seconds(),
            avg_execution_seconds: day.avg_execution_seconds(),
            failure_rate: day.counts.failure_rate(),
        }
    }
}
