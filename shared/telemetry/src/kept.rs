//! Metrics that are kept in the memory of the process, until somebody asks for them.

use crate::catalogue::{Kind, described};
use crate::emf::{Series, Values};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many values are kept. There are ten of each pool, and a hundred pools at most at a time.
const MAX_KEPT: usize = 5_000;

/// How long what something came to is told, in milliseconds: what a pool came to that is no more goes by.
const TOLD_FOR_MS: i64 = 120_000;

/// The last value of each metric, and the sum of those that count. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct KeptMetrics(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<Key, Kept>,
    /// When it was last looked for what is no longer told.
    swept_at_ms: i64,
}

/// A metric, and the value of its dimension.
type Key = (&'static str, String);

#[derive(Debug, Clone, Copy)]
struct Kept {
    value: f64,
    at_ms: i64,
}

impl KeptMetrics {
    /// Keeps what was published. Distributions are kept by whoever measures them.
    pub(crate) fn keep(
        &self,
        at_ms: i64,
        dimensions: &[(&'static str, &str)],
        series: &[Series<'_>],
    ) {
        let mut state = self.lock();
        let State { kept, swept_at_ms } = &mut *state;
        // What is published together has the same time, and is looked through once.
        if *swept_at_ms != at_ms {
            kept.retain(|(name, _), kept| is_told(name, *kept, at_ms));
            *swept_at_ms = at_ms;
        }
        let dimension = dimensions.first().map_or("", |(_, value)| value);
        for one in series {
            let (Values::One(value), Some(metric)) = (one.values, described(one.name)) else {
                continue;
            };
            let key = (one.name, dimension.to_owned());
            let before = kept.get(&key).map(|before| before.value);
            let value = match metric.kind {
                Kind::Count => before.unwrap_or_default() + value,
                Kind::Gauge | Kind::Distribution => value,
            };
            if before.is_some() || kept.len() < MAX_KEPT {
                kept.insert(key, Kept { value, at_ms });
            }
        }
    }

    /// What is kept, by metric and the value of its dimension.
    pub(crate) fn told(&self, at_ms: i64) -> Vec<(Key, f64)> {
        let state = self.lock();
        let kept = state.kept.iter();
        kept.filter(|((name, _), kept)| is_told(name, **kept, at_ms))
            .map(|(key, kept)| (key.clone(), kept.value))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each value is whole, whatever happened to another thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is still worth telling: a sum always is.
fn is_told(name: &str, kept: Kept, at_ms: i64) -> bool {
    let counts = described(name).is_some_and(|metric| metric.kind == Kind::Count);
    counts || at_ms.saturating_sub(kept.at_ms) <= TOLD_FOR_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, MetricSink, Unit};

    fn count(name: &'static str, value: f64) -> Metric {
        Metric {
            name,
            unit: Unit::Count,
            value,
        }
    }

    #[test]
    fn the_last_value_is_told_for_two_minutes_and_a_sum_for_ever() {
        let kept = KeptMetrics::default();
        let sink = MetricSink::kept("test", kept.clone());
        for (at_ms, value) in [(0, 3.0), (1_000, 5.0)] {
            sink.publish(at_ms, [("pool", "a")], [count("queue/depth", value)]);
            sink.publish(at_ms, [], [count("jobs/throughput", value)]);
        }
        let depth = (("queue/depth", "a".to_owned()), 5.0);
        let throughput = (("jobs/throughput", String::new()), 8.0);
        assert_eq!(kept.told(121_000), [throughput.clone(), depth]);
        assert_eq!(kept.told(121_001), [throughput]);
    }

    #[test]
    fn pools_that_come_and_go_do_not_pile_up() {
        let kept = KeptMetrics::default();
        let sink = MetricSink::kept("test", kept.clone());
        for number in 0..20_000 {
            let name = format!("pool-{number}");
            let metrics = [count("queue/depth", 1.0)];
            sink.publish(number * 1_000, [("pool", &name)], metrics);
            assert!(kept.lock().kept.len() <= 121);
        }
        let kept = KeptMetrics::default();
        let sink = MetricSink::kept("test", kept.clone());
        for number in 0..20_000 {
            let name = format!("pool-{number}");
            sink.publish(0, [("pool", &name)], [count("queue/depth", 1.0)]);
        }
        assert_eq!(kept.lock().kept.len(), MAX_KEPT);
    }
}
