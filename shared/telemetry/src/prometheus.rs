//! Metrics as Prometheus asks for them: the text format, version 0.0.4.
//!
//! Specification: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use crate::catalogue::{Kind, METRICS};
use crate::requests::BOUNDS_MS;
use crate::{KeptMetrics, Meter, RequestMetrics};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How names begin.
const PREFIX: &str = "hybrid_ci_";

/// A label of a series, and its value.
type Label<'a> = (&'a str, &'a str);

/// The metrics of one process.
#[derive(Debug, Clone)]
pub struct Exposed {
    /// The environment that every series names.
    pub environment: &'static str,
    /// What maintenance published.
    pub kept: KeptMetrics,
    /// What was asked of it.
    pub requests: RequestMetrics,
    /// What it consumed.
    pub meter: Meter,
}

impl Exposed {
    /// The text. `at_ms` is the time in milliseconds since 1970.
    pub fn text(&self, at_ms: i64) -> String {
        let mut text = Text {
            written: String::new(),
            described: BTreeSet::new(),
            environment: self.environment,
        };
        for ((name, dimension), value) in self.kept.told(at_ms) {
            text.described(name, &dimension, value);
        }
        self.requests(&mut text);
        self.capacity(&mut text);
        text.written
    }

    fn requests(&self, text: &mut Text) {
        const DURATION: &str = "requests_duration_ms";
        let counted = self.requests.counted();
        text.head(
            "requests_total",
            "counter",
            "requests, by the class of their status",
        );
        for (name, requests) in &counted {
            for (class, count) in ["2xx", "3xx", "4xx", "5xx"].iter().zip(requests.classes) {
                let labels = [("operation", name.as_str()), ("class", class)];
                text.sample("requests_total", &labels, count as f64);
            }
        }
        text.head(DURATION, "histogram", "how long requests took");
        for (name, requests) in &counted {
            let operation = ("operation", name.as_str());
            let bounds = BOUNDS_MS.iter().map(ToString::to_string);
            let bounds = bounds.chain(["+Inf".to_owned()]);
            let mut sum = 0;
            for (bound, count) in bounds.zip(requests.by_duration) {
                sum += count;
                let labels = [operation, ("le", bound.as_str())];
                text.sample(&format!("{DURATION}_bucket"), &labels, sum as f64);
            }
            text.sample(&format!("{DURATION}_sum"), &[operation], requests.total_ms);
            text.sample(&format!("{DURATION}_count"), &[operation], sum as f64);
        }
    }

    fn capacity(&self, text: &mut Text) {
        let consumed = self.meter.snapshot();
        for name in [
            "capacity/read_units",
            "capacity/write_units",
            "capacity/lost_races",
        ] {
            for (operation, usage) in &consumed {
                let value = match name {
                    "capacity/read_units" => usage.read_units,
                    "capacity/write_units" => usage.write_units,
                    _ => usage.lost_races as f64,
                };
                text.described(name, operation, value);
            }
        }
    }
}

/// The text that is being written.
struct Text {
    written: String,
    /// Metrics that it says the meaning of already.
    described: BTreeSet<String>,
    environment: &'static str,
}

impl Text {
    /// A value of a metric of the catalogue.
    fn described(&mut self, name: &str, dimension: &str, value: f64) {
        let Some(metric) = METRICS.iter().find(|metric| metric.name == name) else {
            return;
        };
        let mut translated = metric.name.replace('/', "_");
        let kind = match metric.kind {
            Kind::Count => {
                translated.push_str("_total");
                "counter"
            }
            Kind::Gauge | Kind::Distribution => "gauge",
        };
        self.head(&translated, kind, metric.meaning);
        let label = metric.dimension.map(|label| (label, dimension));
        self.sample(&translated, label.as_slice(), value);
    }

    /// What a metric means, before its first sample.
    fn head(&mut self, name: &str, kind: &str, meaning: &str) {
        if self.described.insert(name.to_owned()) {
            let meaning = meaning.replace('\\', "\\\\").replace('\n', "\\n");
            // Writing to a string does not fail.
            let _ = write!(
                self.written,
                "# HELP {PREFIX}{name} {meaning}\n# TYPE {PREFIX}{name} {kind}\n"
            );
        }
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: f64) {
        let _ = write!(
            self.written,
            "{PREFIX}{name}{{environment=\"{}\"",
            self.environment
        );
        for (label, value) in labels {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.written, ",{label}=\"{value}\"");
        }
        let _ = writeln!(self.written, "}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metric, MetricSink, Operation, Unit};
    use std::time::Duration;

    #[test]
    fn the_text_is_as_the_specification_has_it() {
        let kept = KeptMetrics::default();
        let sink = MetricSink::kept("test", kept.clone());
        let count = |name, value| Metric {
            name,
            unit: Unit::Count,
            value,
        };
        for pool in ["default", "li\"n\\ux\n"] {
            let metrics = [count("queue/depth", 3.0), count("pool/idle", 0.0)];
            sink.publish(1_000, [("pool", pool)], metrics);
        }
        sink.publish(1_000, [], [count("jobs/throughput", 2.0)]);
        let requests = RequestMetrics::new(["claim_job".to_owned()], MetricSink::off());
        let claim = requests.operations().nth(1).map(|(_, operation)| operation);
        for (status, millis) in [(200, 1), (200, 40), (500, 20_000)] {
            let took = Duration::from_millis(millis);
            requests.count(claim.unwrap_or_default(), status, took);
        }
        requests.count(Operation::default(), 404, Duration::ZERO);
        let meter = Meter::default();
        meter.read("claim_job", 0.5);
        let exposed = Exposed {
            environment: "test",
            kept,
            requests,
            meter,
        };
        let text = exposed.text(1_000);
        for lines in [
            "# HELP hybrid_ci_jobs_throughput_total jobs that have ended since the roll-up before: the sum over a minute is jobs a minute
# TYPE hybrid_ci_jobs_throughput_total counter
hybrid_ci_jobs_throughput_total{environment=\"test\"} 2
",
            "# TYPE hybrid_ci_queue_depth gauge
hybrid_ci_queue_depth{environment=\"test\",pool=\"default\"} 3
hybrid_ci_queue_depth{environment=\"test\",pool=\"li\\\"n\\\\ux\\n\"} 3
",
            "# TYPE hybrid_ci_requests_total counter
hybrid_ci_requests_total{environment=\"test\",operation=\"other\",class=\"2xx\"} 0
",
            "hybrid_ci_requests_total{environment=\"test\",operation=\"claim_job\",class=\"2xx\"} 2
",
            "hybrid_ci_requests_duration_ms_bucket{environment=\"test\",operation=\"claim_job\",le=\"1\"} 1
hybrid_ci_requests_duration_ms_bucket{environment=\"test\",operation=\"claim_job\",le=\"2.5\"} 1
",
            "operation=\"claim_job\",le=\"25\"} 1
hybrid_ci_requests_duration_ms_bucket{environment=\"test\",operation=\"claim_job\",le=\"50\"} 2
",
            "operation=\"claim_job\",le=\"+Inf\"} 3
hybrid_ci_requests_duration_ms_sum{environment=\"test\",operation=\"claim_job\"} 20041
hybrid_ci_requests_duration_ms_count{environment=\"test\",operation=\"claim_job\"} 3
",
            "hybrid_ci_capacity_read_units_total{environment=\"test\",operation=\"claim_job\"} 0.5
",
        ] {
            assert!(text.contains(lines), "{lines} is not in\n{text}");
        }
        assert!(!exposed.text(200_000).contains("queue_depth"));
    }
}
