//! Consumed capacity as metrics.

use crate::{Meter, Metric, MetricSink, Unit, Usage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How often at most what was consumed is published along with requests, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// How many operations are published at a time. What others consumed is published the next time.
const MAX_OPERATIONS: usize = 50;

/// Publishes what each operation has consumed since it was last published. Clones share what that is.
#[derive(Debug, Clone)]
pub struct CapacityMetrics {
    meter: Meter,
    sink: MetricSink,
    published: Arc<Mutex<Published>>,
}

/// What was published, and when.
#[derive(Debug, Default)]
struct Published {
    at_ms: Option<i64>,
    usage: BTreeMap<&'static str, Usage>,
}

impl CapacityMetrics {
    /// What this meter counts from now on, and has counted.
    pub fn new(meter: Meter, sink: MetricSink) -> Self {
        Self {
            meter,
            sink,
            published: Arc::default(),
        }
    }

    /// Publishes, unless it did so less than a minute ago. `at_ms` is the time in milliseconds since 1970.
    pub fn publish_every_minute(&self, at_ms: i64) {
        let last = self.with(|published| published.at_ms);
        // A clock that was set back must not silence it until it is where it was.
        if last.is_none_or(|last| at_ms.abs_diff(last) >= EVERY_MS) {
            self.publish(at_ms);
        }
    }

    /// Publishes one line for each operation that consumed anything.
    pub fn publish(&self, at_ms: i64) {
        if !self.sink.is_on() {
            return;
        }
        let counted = self.meter.snapshot();
        let consumed = self.with(|published| {
            let mut consumed: Vec<_> = counted
                .into_iter()
                .filter_map(|(operation, now)| {
                    let before = published.usage.get(operation).copied();
                    let since = since(now, before.unwrap_or_default());
                    (since != Usage::default()).then_some((operation, now, since))
                })
                .collect();
            // What consumed most first, if there are too many.
            let units = |usage: &Usage| usage.read_units + usage.write_units;
            consumed.sort_by(|left, right| units(&right.2).total_cmp(&units(&left.2)));
            consumed.truncate(MAX_OPERATIONS);
            if !consumed.is_empty() {
                published.at_ms = Some(at_ms);
            }
            for (operation, now, _) in &consumed {
                published.usage.insert(operation, *now);
            }
            consumed
        });
        for (operation, _, usage) in consumed {
            let count = |name, value| Metric {
                name,
                unit: Unit::Count,
                value,
            };
            self.sink.publish(
                at_ms,
                [("operation", operation)],
                [
                    count("capacity/read_units", usage.read_units),
                    count("capacity/write_units", usage.write_units),
                    count("capacity/lost_races", usage.lost_races as f64),
                ],
            );
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Published) -> T) -> T {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut published)
    }
}

/// What was consumed between two counts.
fn since(now: Usage, before: Usage) -> Usage {
    Usage {
        calls: now.calls - before.calls,
        read_units: now.read_units - before.read_units,
        write_units: now.write_units - before.write_units,
        lost_races: now.lost_races - before.lost_races,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::Value;

    const NOW: i64 = 1_700_000_000_000;

    /// A meter, its metrics, and what they wrote.
    fn capacity() -> (Meter, CapacityMetrics, Arc<Mutex<Vec<u8>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let meter = Meter::default();
        let sink = MetricSink::to("test", written.clone());
        let capacity = CapacityMetrics::new(meter.clone(), sink);
        (meter, capacity, written)
    }

    fn take(written: &Mutex<Vec<u8>>) -> Vec<Value> {
        let bytes = std::mem::take(&mut *written.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn each_line_has_what_one_operation_consumed_since_the_last() {
        let (meter, capacity, written) = capacity();
        meter.read("claim_job", 1.5);
        meter.write("claim_job", 4.0);
        meter.lost_race("claim_job");
        meter.read("get_job", 1.0);
        capacity.publish(NOW);
        let lines = take(&written);
        assert_eq!(lines.len(), 2);
        let claim = &lines[0];
        assert_eq!(claim["operation"], "claim_job");
        assert_eq!(claim["environment"], "test");
        assert_eq!(claim["capacity/read_units"], 1.5);
        assert_eq!(claim["capacity/write_units"], 4.0);
        assert_eq!(claim["capacity/lost_races"], 1.0);
        assert_eq!(lines[1]["operation"], "get_job");

        meter.write("claim_job", 4.0);
        capacity.clone().publish(NOW + 1);
        let lines = take(&written);
        assert_eq!(lines.len(), 1, "what consumed nothing has no line");
        assert_eq!(lines[0]["capacity/read_units"], 0.0);
        assert_eq!(lines[0]["capacity/write_units"], 4.0);
    }

    #[test]
    fn along_with_requests_it_is_published_once_a_minute() {
        let (meter, capacity, written) = capacity();
        let mut lines = Vec::new();
        // A request that consumes nothing is followed by no silence.
        capacity.publish_every_minute(NOW - 1);
        for (after_ms, expected) in [(0, 1), (59_999, 0), (60_000, 1), (60_001, 0), (-5_000, 1)] {
            meter.read("get_job", 1.0);
            capacity.publish_every_minute(NOW + after_ms);
            let now = take(&written);
            assert_eq!(now.len(), expected, "{after_ms}");
            lines.extend(now);
        }
        let units = lines
            .iter()
            .map(|line| line["capacity/read_units"].as_f64());
        assert_eq!(units.flatten().collect::<Vec<_>>(), [1.0, 2.0, 2.0]);
    }

    #[test]
    fn what_does_not_fit_is_published_the_next_time() {
        let (meter, capacity, written) = capacity();
        for number in 0..MAX_OPERATIONS + 10 {
            let name = Box::leak(format!("operation {number}").into_boxed_str());
            meter.write(name, number as f64 + 1.0);
        }
        capacity.publish(NOW);
        let first = take(&written);
        assert_eq!(first.len(), MAX_OPERATIONS);
        capacity.publish(NOW);
        let rest = take(&written);
        assert_eq!(rest.len(), 10);
        let units = first.iter().chain(&rest);
        let units: f64 = units
            .filter_map(|line| line["capacity/write_units"].as_f64())
            .sum();
        assert!((units - meter.total().write_units).abs() < 1e-9);
        capacity.publish(NOW);
        assert!(take(&written).is_empty());
    }
}
