//! Numbers, as `cargo xtask bench-lambda` reads them.

use serde_json::{Value, json};
use std::time::Duration;

/// What was measured of one function.
pub(crate) struct Measured {
    pub(crate) size_bytes: u64,
    pub(crate) first: Starts,
    pub(crate) first_with_dynamodb: Starts,
    /// None of a function whose calls last as long as they are let.
    pub(crate) warm: Option<Vec<Duration>>,
    pub(crate) warm_processor: Duration,
    pub(crate) resident_at_start: u64,
    pub(crate) resident_after_calls: u64,
    pub(crate) log_bytes_of_call: u64,
}

/// Starts of a process up to its first answer.
#[derive(Default)]
pub(crate) struct Starts {
    pub(crate) took: Vec<Duration>,
    pub(crate) processor: Vec<Duration>,
}

impl Measured {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "size_bytes": self.size_bytes,
            "first_answer_ms": percentiles(&self.first.took),
            "first_answer_processor_ms": median(&self.first.processor),
            "first_dynamodb_answer_ms": percentiles(&self.first_with_dynamodb.took),
            "first_dynamodb_answer_processor_ms": median(&self.first_with_dynamodb.processor),
            "warm_ms": self.warm.as_deref().map(percentiles),
            "warm_processor_ms": milliseconds(self.warm_processor),
            "resident_at_start_bytes": self.resident_at_start,
            "resident_after_calls_bytes": self.resident_after_calls,
            "log_bytes_of_call": self.log_bytes_of_call,
        })
    }
}

fn percentiles(samples: &[Duration]) -> Value {
    let at = |percent| milliseconds(percentile(samples, percent));
    json!({ "p50": at(50), "p95": at(95), "p99": at(99) })
}

fn median(samples: &[Duration]) -> f64 {
    milliseconds(percentile(samples, 50))
}

fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// To a microsecond: the rest is noise.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
