//! Requests as metrics: how many, how they ended, and how long each took, by operation.

use crate::emf::{MAX_VALUES, Series, Values};
use crate::{MetricSink, Unit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often at most an operation is published that has not been called a hundred times since, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// The upper bounds of durations that are counted together, in milliseconds.
pub(crate) const BOUNDS_MS: [f64; 13] = [
    1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0,
];

/// Classes of status: how many requests ended in each, and the metric that says it.
const CLASSES: [&str; 4] = [
    "requests/2xx",
    "requests/3xx",
    "requests/4xx",
    "requests/5xx",
];

/// What stands for everything that is none of the operations.
const OTHER: &str = "other";

/// An operation, as its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operation(usize);

/// Counts requests by operation, and publishes what it has counted. Clones share it.
///
/// How long a request took is published as it is, so that percentiles over all processes are right: a line for each hundred
/// requests of an operation, and once a minute what is left.
#[derive(Debug, Clone)]
pub struct RequestMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    names: Vec<String>,
    sink: MetricSink,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    operations: Vec<Requests>,
    published_at_ms: Option<i64>,
    /// Whether there is an operation with as many durations as a line takes.
    is_full: bool,
}

/// The requests of one operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    /// How many ended in each class of status.
    pub(crate) classes: [u64; CLASSES.len()],
    /// How many took no longer than each bound, and longer than the one before; the last took longer than all.
    pub(crate) by_duration: [u64; BOUNDS_MS.len() + 1],
    /// How long all of them took together.
    pub(crate) total_ms: f64,
    /// Those of `classes` that are published.
    published: [u64; CLASSES.len()],
    /// Durations that are not published yet.
    recent_ms: Vec<f64>,
}

impl RequestMetrics {
    /// Of operations with those names, and of all others together.
    pub fn new(names: impl IntoIterator<Item = String>, sink: MetricSink) -> Self {
        let names: Vec<_> = [OTHER.to_owned()].into_iter().chain(names).collect();
        let state = State {
            operations: vec![Requests::default(); names.len()],
            ..State::default()
        };
        Self(Arc::new(Inner {
            names,
            sink,
            state: Mutex::new(state),
        }))
    }

    /// The operations, with their names. The first is every other.
    pub fn operations(&self) -> impl Iterator<Item = (&str, Operation)> {
        let names = self.0.names.iter().enumerate();
        names.map(|(place, name)| (name.as_str(), Operation(place)))
    }

    /// The name of an operation.
    pub fn name(&self, operation: Operation) -> &str {
        self.0.names.get(operation.0).map_or(OTHER, String::as_str)
    }

    /// Counts a request that was answered with that status.
    pub fn count(&self, operation: Operation, status: u16, took: Duration) {
        let took_ms = took.as_secs_f64() * 1_000.0;
        let mut state = self.lock();
        let Some(requests) = state.operations.get_mut(operation.0) else {
            return;
        };
        let class = usize::from(status / 100).saturating_sub(2);
        if let Some(class) = requests.classes.get_mut(class) {
            *class += 1;
        }
        let bound = BOUNDS_MS.partition_point(|bound| *bound < took_ms);
        if let Some(bucket) = requests.by_duration.get_mut(bound) {
            *bucket += 1;
        }
        requests.total_ms += took_ms;
        // Nobody takes them, or nobody has taken them: then there is no more of them than a line holds.
        if self.0.sink.is_on() && requests.recent_ms.len() < MAX_VALUES {
            // To the microsecond, which keeps lines short.
            let micros = (took_ms * 1_000.0).round();
            requests.recent_ms.push(micros / 1_000.0);
            state.is_full |= state
                .operations
                .get(operation.0)
                .is_some_and(|requests| requests.recent_ms.len() == MAX_VALUES);
        }
    }

    /// Publishes everything once a minute, and in between the operations of which a line is full. `at_ms` is the time in
    /// milliseconds since 1970.
    pub fn publish_due(&self, at_ms: i64) {
        let state = self.lock();
        // A clock that was set back must not silence it until it is where it was.
        let is_due = |last: i64| at_ms.abs_diff(last) >= EVERY_MS;
        let (all, is_full) = (state.published_at_ms.is_none_or(is_due), state.is_full);
        drop(state);
        if all || is_full {
            self.publish(at_ms, all);
        }
    }

    /// Publishes what was counted since: of all operations, or only of those of which a line is full.
    fn publish(&self, at_ms: i64, all: bool) {
        if !self.0.sink.is_on() {
            return;
        }
        let due: Vec<_> = {
            let mut state = self.lock();
            state.is_full = false;
            if all {
                state.published_at_ms = Some(at_ms);
            }
            let named = self.0.names.iter().zip(&mut state.operations);
            named
                .filter(|(_, requests)| all || requests.recent_ms.len() >= MAX_VALUES)
                .filter_map(|(name, requests)| Some((name, requests.take()?)))
                .collect()
        };
        for (name, (counts, durations)) in due {
            let counts = CLASSES.into_iter().zip(counts);
            let counts = counts.filter(|(_, count)| *count > 0);
            let mut series: Vec<_> = counts
                .map(|(name, count)| Series {
                    name,
                    unit: Unit::Count,
                    values: Values::One(count as f64),
                })
                .collect();
            series.push(Series {
                name: "requests/duration_ms",
                unit: Unit::Milliseconds,
                values: Values::Each(&durations),
            });
            self.0
                .sink
                .publish_series(at_ms, &[("operation", name)], &series);
        }
    }

    /// What was counted since the process began, of the operations that were called.
    pub(crate) fn counted(&self) -> Vec<(String, Requests)> {
        let state = self.lock();
        let named = self.0.names.iter().zip(&state.operations);
        named
            .filter(|(_, requests)| requests.by_duration.iter().any(|count| *count > 0))
            .map(|(name, requests)| (name.clone(), requests.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts stay true whatever happened to another thread that held the lock.
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    /// What is not published yet, which is published now; none if there is nothing.
    fn take(&mut self) -> Option<([u64; CLASSES.len()], Vec<f64>)> {
        let mut counts = self.classes;
        for (count, published) in counts.iter_mut().zip(self.published) {
            *count -= published;
        }
        self.published = self.classes;
        let durations = std::mem::take(&mut self.recent_ms);
        let is_nothing = durations.is_empty() && counts.iter().all(|count| *count == 0);
        (!is_nothing).then_some((counts, durations))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_700_000_000_000;

    fn metrics() -> (RequestMetrics, Arc<Mutex<Vec<u8>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = MetricSink::to("test", written.clone());
        let names = ["claim_job", "list_jobs"].map(str::to_owned);
        (RequestMetrics::new(names, sink), written)
    }

    fn operation(metrics: &RequestMetrics, name: &str) -> Operation {
        let mut operations = metrics.operations();
        operations.find(|(known, _)| *known == name).unwrap().1
    }

    fn take(written: &Mutex<Vec<u8>>) -> Vec<Value> {
        let bytes = std::mem::take(&mut *written.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_every_duration_and_how_many_ended_how() {
        let (metrics, written) = metrics();
        let claim = operation(&metrics, "claim_job");
        for (status, micros) in [(200, 1_234), (204, 500), (409, 2_000), (503, 25_000_000)] {
            metrics.count(claim, status, Duration::from_micros(micros));
        }
        metrics.count(Operation::default(), 404, Duration::from_millis(1));
        metrics.publish_due(NOW);
        let [other, claimed] = take(&written).try_into().unwrap();
        assert_eq!(other["operation"], "other");
        assert_eq!(other["requests/4xx"], 1.0);
        let expected = json!([
            {"Name": "requests/2xx", "Unit": "Count"},
            {"Name": "requests/4xx", "Unit": "Count"},
            {"Name": "requests/5xx", "Unit": "Count"},
            {"Name": "requests/duration_ms", "Unit": "Milliseconds"},
        ]);
        let about = &claimed["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(about["Metrics"], expected);
        assert_eq!(about["Dimensions"], json!([["environment", "operation"]]));
        assert_eq!(claimed["operation"], "claim_job");
        assert_eq!(claimed["requests/2xx"], 2.0);
        assert_eq!(claimed["requests/3xx"], Value::Null);
        let durations = json!([1.234, 0.5, 2.0, 25_000.0]);
        assert_eq!(claimed["requests/duration_ms"], durations);
    }

    #[test]
    fn lines_come_once_a_minute_whatever_the_clock_does() {
        let (metrics, written) = metrics();
        let list = operation(&metrics, "list_jobs");
        for (after_ms, lines) in [(0, 1), (59_999, 0), (60_000, 1), (-60_000, 1), (0, 1)] {
            metrics.count(list, 200, Duration::ZERO);
            metrics.publish_due(NOW + after_ms);
            assert_eq!(take(&written).len(), lines, "{after_ms}");
        }
        metrics.publish_due(NOW + 60_000);
        assert!(take(&written).is_empty());
    }

    #[test]
    fn an_operation_whose_line_is_full_is_published_at_once_and_alone() {
        let (metrics, written) = metrics();
        let list = operation(&metrics, "list_jobs");
        metrics.publish_due(NOW);
        let mut lines = Vec::new();
        for _ in 0..250 {
            metrics.count(Operation::default(), 404, Duration::ZERO);
            metrics.count(list, 200, Duration::from_millis(7));
            metrics.publish_due(NOW + 1);
            lines.extend(take(&written));
        }
        assert_eq!(lines.len(), 4);
        metrics.publish_due(NOW + 60_000);
        lines.extend(take(&written));
        let durations = |line: &Value| line["requests/duration_ms"].as_array().unwrap().len();
        let of_lists = |line: &&Value| line["operation"] == "list_jobs";
        let lists: Vec<_> = lines.iter().filter(of_lists).map(durations).collect();
        assert_eq!(lists, [100, 100, 50]);
        let counts = lines.iter().filter(of_lists);
        let counts = counts.map(|line| line["requests/2xx"].as_f64().unwrap());
        assert!((counts.sum::<f64>() - 250.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_piles_up_where_nobody_publishes() {
        let (metrics, _) = metrics();
        for _ in 0..1_000 {
            metrics.count(Operation::default(), 200, Duration::ZERO);
        }
        assert_eq!(metrics.lock().operations[0].recent_ms.len(), MAX_VALUES);
        let off = RequestMetrics::new([], MetricSink::off());
        off.count(Operation::default(), 200, Duration::ZERO);
        assert!(off.lock().operations[0].recent_ms.is_empty());
        assert_eq!(off.counted()[0].1.by_duration[0], 1);
    }
}
