//! Numbers, to the terminal and to `target/bench.json`.

use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Duration;

pub(crate) struct Report(Map<String, Value>);

impl Report {
    pub(crate) fn new() -> Self {
        println!("{:<54} {:>9} {:>9} {:>9}", "", "p50", "p95", "p99");
        Self(Map::new())
    }

    /// Percentiles of a latency.
    pub(crate) fn latency(&mut self, name: &str, mut samples: Vec<Duration>) {
        samples.sort_unstable();
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1) - 1;
            samples[rank].as_secs_f64() * 1000.0
        };
        let (p50, p95, p99) = (at(50), at(95), at(99));
        println!("{name:<54} {p50:>6.2} ms {p95:>6.2} ms {p99:>6.2} ms");
        self.0.insert(
            name.to_owned(),
            json!({ "p50_ms": p50, "p95_ms": p95, "p99_ms": p99 }),
        );
    }

    /// So many in a time.
    pub(crate) fn rate(&mut self, name: &str, count: usize, elapsed: Duration) {
        let rate = count as f64 / elapsed.as_secs_f64();
        println!("{name:<54} {rate:>7.0}/s");
        self.0
            .insert(name.to_owned(), json!({ "per_second": rate }));
    }

    /// Consumed capacity.
    pub(crate) fn units(&mut self, name: &str, units: f64) {
        println!("{name:<54} {units:>6.1} units");
        self.0.insert(name.to_owned(), json!({ "units": units }));
    }

    /// Memory or a file.
    pub(crate) fn memory(&mut self, name: &str, bytes: u64) {
        println!("{name:<54} {:>6.1} MB", bytes as f64 / 1e6);
        self.0.insert(name.to_owned(), json!({ "bytes": bytes }));
    }

    pub(crate) fn finish(self) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench.json");
        std::fs::write(&path, format!("{:#}\n", Value::Object(self.0))).unwrap();
        println!("Written to target/bench.json");
    }
}
