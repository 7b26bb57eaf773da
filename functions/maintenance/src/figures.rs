//! What a round counted over all tenants, and its publication as metrics.
//!
//! Metrics are for whoever runs the control plane. No tenant is named in them: what pools of the same name have is added up.

use domain::agent::AgentCounts;
use domain::pool::{Pool, Scaling};
use domain::statistics::Aggregate;
use std::collections::BTreeMap;
use store::RollUp;
use telemetry::{Metric, MetricSink, Unit};
use wire::{PoolName, Timestamp};

/// How many names of pools get metrics of their own: each metric of each has its price.
const MAX_SERIES: usize = 100;

/// How many names are told apart while they are counted.
const MAX_NAMES: usize = 10_000;

/// Stands for all pools without metrics of their own.
const OTHER: &str = "other";

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By name, and when the first pool of that name was created.
    pools: BTreeMap<PoolName, (Timestamp, PoolFigures)>,
    /// Pools whose names are too many to be told apart.
    rest: Option<PoolFigures>,
    /// What the jobs that ended in the last 24 hours add up to.
    day: Aggregate,
    /// Jobs that have ended since they were last counted.
    ended_since: u64,
    /// Deployments in production.
    pub(crate) deployments_active: u64,
}

/// What was counted of the pools of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PoolFigures {
    queued: u64,
    running: u64,
    oldest_wait_seconds: f64,
    capacity: u64,
    idle: u64,
    desired_agents: u64,
    healthy: u64,
    degraded: u64,
    offline: u64,
}

impl PoolFigures {
    fn add(&mut self, other: Self) {
        self.queued += other.queued;
        self.running += other.running;
        self.oldest_wait_seconds = self.oldest_wait_seconds.max(other.oldest_wait_seconds);
        self.capacity += other.capacity;
        self.idle += other.idle;
        self.desired_agents += other.desired_agents;
        self.healthy += other.healthy;
        self.degraded += other.degraded;
        self.offline += other.offline;
    }

    fn metrics(self) -> [Metric; 9] {
        [
            count("queue/depth", self.queued),
            count("queue/running", self.running),
            Metric {
                name: "queue/oldest_wait_seconds",
                unit: Unit::Seconds,
                value: self.oldest_wait_seconds,
            },
            count("pool/capacity", self.capacity),
            count("pool/idle", self.idle),
            count("pool/desired_agents", self.desired_agents),
            count("agents/healthy", self.healthy),
            count("agents/degraded", self.degraded),
            count("agents/offline", self.offline),
        ]
    }
}

fn count(name: &'static str, count: u64) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        value: count as f64,
    }
}

fn milliseconds(name: &'static str, seconds: f64) -> Metric {
    Metric {
        name,
        unit: Unit::Milliseconds,
        value: seconds * 1000.0,
    }
}

impl Figures {
    /// Those of one tenant, without its pools.
    pub(crate) fn of(rolled: &RollUp) -> Self {
        Self {
            day: rolled.day.clone(),
            ended_since: rolled.ended_since,
            ..Self::default()
        }
    }

    /// Adds a pool.
    pub(crate) fn add_pool(&mut self, pool: &Pool, signal: &Scaling, agents: AgentCounts) {
        let figures = PoolFigures {
            queued: signal.queued,
            running: signal.running,
            oldest_wait_seconds: signal.oldest_wait_seconds,
            capacity: signal.capacity,
            idle: signal.idle,
            desired_agents: u64::from(signal.desired_agents),
            healthy: agents.healthy,
            degraded: agents.degraded,
            offline: agents.offline,
        };
        self.add_named(pool.pool_name.clone(), pool.created_at, figures);
    }

    fn add_named(&mut self, name: PoolName, created_at: Timestamp, figures: PoolFigures) {
        if self.pools.len() >= MAX_NAMES && !self.pools.contains_key(&name) {
            self.rest.get_or_insert_default().add(figures);
            return;
        }
        let (first, sum) = self
            .pools
            .entry(name)
            .or_insert((created_at, PoolFigures::default()));
        *first = created_at.min(*first);
        sum.add(figures);
    }

    /// Adds those of another tenant.
    pub(crate) fn add(&mut self, other: Self) {
        for (name, (created_at, figures)) in other.pools {
            self.add_named(name, created_at, figures);
        }
        if let Some(rest) = other.rest {
            self.rest.get_or_insert_default().add(rest);
        }
        self.day.add(&other.day);
        self.ended_since += other.ended_since;
        self.deployments_active += other.deployments_active;
    }

    /// Publishes them: one line for each name of a pool, and one for the environment.
    pub(crate) fn publish(self, sink: &MetricSink, at: Timestamp) {
        let at_ms = at.as_millis();
        let environment = [
            milliseconds("queue/avg_wait_ms", self.day.avg_wait_seconds()),
            milliseconds("queue/p95_wait_ms", self.day.p95_wait_seconds()),
            Metric {
                name: "queue/failure_rate",
                unit: Unit::None,
                value: self.day.counts.failure_rate(),
            },
            count("jobs/throughput", self.ended_since),
            count("deployments/active", self.deployments_active),
        ];
        sink.publish(at_ms, [], environment);
        for (name, figures) in self.series() {
            sink.publish(at_ms, [("pool", &name)], figures.metrics());
        }
    }

    /// What is published, by the name of the pool. The names that were there first keep their metrics: a pool that
    /// somebody creates takes none away.
    fn series(self) -> BTreeMap<String, PoolFigures> {
        let mut pools: Vec<_> = self.pools.into_iter().collect();
        pools.sort_by(|(left, (left_at, _)), (right, (right_at, _))| {
            (left_at, left).cmp(&(right_at, right))
        });
        let beyond = pools.split_off(pools.len().min(MAX_SERIES));
        let mut series: BTreeMap<_, _> = pools
            .into_iter()
            .map(|(name, (_, figures))| (name.to_string(), figures))
            .collect();
        let beyond = beyond.into_iter().map(|(_, (_, figures))| figures);
        // Somebody's pool may have that very name; then it is one of them.
        for figures in beyond.chain(self.rest) {
            series.entry(OTHER.to_owned()).or_default().add(figures);
        }
        series
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn name(number: usize) -> PoolName {
        format!("pool-{number:05}").parse().unwrap()
    }

    fn queued(queued: u64) -> PoolFigures {
        PoolFigures {
            queued,
            oldest_wait_seconds: queued as f64,
            ..PoolFigures::default()
        }
    }

    /// One pool of each name, each created a second before the one that comes before it by name.
    fn many(count: usize) -> Figures {
        let mut figures = Figures::default();
        for number in 0..count {
            let created_at =
                Timestamp::from_millis(0).plus_seconds(i64::try_from(count - number).unwrap());
            figures.add_named(name(number), created_at, queued(1));
        }
        figures
    }

    #[test]
    fn a_hundred_names_have_metrics_of_their_own_and_the_others_one_together() {
        let mut figures = many(MAX_SERIES);
        assert_eq!(figures.series().len(), MAX_SERIES);
        figures = many(MAX_SERIES + 50);
        let other = "other".parse().unwrap();
        figures.add_named(other, Timestamp::from_millis(0), queued(7));
        let series = figures.series();
        assert_eq!(series.len(), MAX_SERIES);
        // The first by age, not by name: those that came later are together, with the one that is called so.
        assert!(!series.contains_key("pool-00000"));
        assert_eq!(series["pool-00149"], queued(1));
        assert_eq!(series["other"].queued, 7 + 51);
        assert!((series["other"].oldest_wait_seconds - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn names_beyond_what_is_told_apart_are_counted_all_the_same() {
        let mut figures = many(MAX_NAMES - 1);
        let mut more = many(3);
        more.add_named(name(MAX_NAMES), Timestamp::from_millis(1), queued(1));
        more.add_named(name(MAX_NAMES + 1), Timestamp::from_millis(1), queued(1));
        figures.add(more);
        assert_eq!(figures.pools.len(), MAX_NAMES);
        let sum: u64 = figures.series().values().map(|pool| pool.queued).sum();
        assert_eq!(sum, MAX_NAMES as u64 - 1 + 3 + 2);
    }
}
