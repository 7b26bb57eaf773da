//! Metrics as lines of the log, in CloudWatch's embedded metric format: the service makes metrics of them without a call.
//!
//! Specification: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use crate::kept::KeptMetrics;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The namespace of every metric.
pub const NAMESPACE: &str = "HybridCiCd";

/// How many metrics one line may hold.
pub const MAX_METRICS: usize = 100;

/// How many values one metric of a line may have.
pub const MAX_VALUES: usize = 100;

/// How many dimensions one line may have.
pub const MAX_DIMENSIONS: usize = 30;

/// The dimension that every metric has.
const ENVIRONMENT: &str = "environment";

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A ratio, or something that CloudWatch has no unit for.
    None,
}

impl Unit {
    /// Its name in CloudWatch.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
            Self::None => "None",
        }
    }
}

/// One value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, as `queue/depth`.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// How much it is.
    pub value: f64,
}

/// What a metric came to: once, or each time since it was last published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a> {
    One(f64),
    Each(&'a [f64]),
}

/// A metric of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) values: Values<'a>,
}

impl Series<'_> {
    /// Values as CloudWatch takes them; none if there is nothing that it would take.
    fn value(&self) -> Option<Value> {
        match self.values {
            Values::One(value) => value.is_finite().then(|| value.into()),
            Values::Each(values) => {
                let mut values = values.to_vec();
                values.retain(|value| value.is_finite());
                values.truncate(MAX_VALUES);
                (!values.is_empty()).then(|| values.into())
            }
        }
    }
}

/// Where the metrics of one environment go. Clones share it.
#[derive(Clone)]
pub struct MetricSink(Option<Open>);

#[derive(Clone)]
struct Open {
    environment: Arc<str>,
    to: To,
}

#[derive(Clone)]
enum To {
    Writer(Arc<Mutex<dyn Write + Send>>),
    Kept(KeptMetrics),
}

impl MetricSink {
    /// Nowhere: nobody collects them.
    pub const fn off() -> Self {
        Self(None)
    }

    /// The standard output, which Lambda hands to CloudWatch line by line.
    pub fn stdout(environment: &str) -> Self {
        Self::to(environment, Arc::new(Mutex::new(io::stdout())))
    }

    /// A writer, which is given one line at a time.
    pub fn to(environment: &str, writer: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self(Some(Open {
            environment: environment.into(),
            to: To::Writer(writer),
        }))
    }

    /// The memory of this process, for whoever asks it.
    pub fn kept(environment: &str, kept: KeptMetrics) -> Self {
        Self(Some(Open {
            environment: environment.into(),
            to: To::Kept(kept),
        }))
    }

    /// Whether anybody collects them.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes one line with metrics of the same time, in milliseconds since 1970, and the same dimensions; that of the
    /// environment comes with it. Values that are not finite are left out.
    ///
    /// A metric that cannot be written is lost: nothing else may fail for it.
    pub fn publish<const DIMENSIONS: usize, const METRICS: usize>(
        &self,
        at_ms: i64,
        dimensions: [(&'static str, &str); DIMENSIONS],
        metrics: [Metric; METRICS],
    ) {
        const { assert!(DIMENSIONS < MAX_DIMENSIONS && METRICS <= MAX_METRICS) }
        let series = metrics.map(|metric| Series {
            name: metric.name,
            unit: metric.unit,
            values: Values::One(metric.value),
        });
        self.publish_series(at_ms, &dimensions, &series);
    }

    /// The same, of metrics that may have several values.
    pub(crate) fn publish_series(
        &self,
        at_ms: i64,
        dimensions: &[(&'static str, &str)],
        series: &[Series<'_>],
    ) {
        let known = |one: &Series<'_>| crate::catalogue::knows(one.name, one.unit, dimensions);
        debug_assert!(series.iter().all(known), "{series:?} {dimensions:?}");
        let Some(open) = &self.0 else { return };
        let writer = match &open.to {
            To::Kept(kept) => return kept.keep(at_ms, dimensions, series),
            To::Writer(writer) => writer,
        };
        let mut line = line(at_ms, &open.environment, dimensions, series);
        line.push('\n');
        // Whatever happened to another thread that held the lock, the next line begins anew.
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // In one go, so that no line of the log gets in between.
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }
}

impl fmt::Debug for MetricSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self.0.as_ref().map(|open| &open.environment);
        f.debug_tuple("MetricSink").field(&environment).finish()
    }
}

/// The JSON object that is one line.
fn line(
    at_ms: i64,
    environment: &str,
    dimensions: &[(&'static str, &str)],
    series: &[Series<'_>],
) -> String {
    let dimensions = || {
        [(ENVIRONMENT, environment)]
            .into_iter()
            .chain(dimensions.iter().copied())
    };
    let names: Vec<_> = dimensions().map(|(name, _)| name).collect();
    let mut definitions = Vec::with_capacity(series.len());
    let mut values = Map::new();
    for one in series {
        if let Some(value) = one.value() {
            definitions.push(json!({ "Name": one.name, "Unit": one.unit.as_str() }));
            values.insert(one.name.to_owned(), value);
        }
    }
    let about = json!({
        "Timestamp": at_ms,
        "CloudWatchMetrics": [
            { "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions },
        ],
    });
    let mut line = Map::from_iter([("_aws".to_owned(), about)]);
    line.extend(dimensions().map(|(name, value)| (name.to_owned(), Value::from(value))));
    line.append(&mut values);
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn count(name: &'static str, value: f64) -> Metric {
        Metric {
            name,
            unit: Unit::Count,
            value,
        }
    }

    fn published(publish: impl FnOnce(&MetricSink)) -> String {
        let written = Arc::new(Mutex::new(Vec::<u8>::new()));
        let sink = MetricSink::to("test", written.clone());
        assert!(sink.is_on());
        publish(&sink);
        let bytes = written.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_one_object_as_the_specification_has_it() {
        let line = published(|sink| {
            let wait = Metric {
                name: "queue/oldest_wait_seconds",
                unit: Unit::Seconds,
                value: 1.5,
            };
            let pool = [("pool", "li\"nux\n")];
            sink.publish(1_700_000_000_123, pool, [count("queue/depth", 12.0), wait]);
        });
        assert!(line.ends_with("}\n"), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_123_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "HybridCiCd",
                    "Dimensions": [["environment", "pool"]],
                    "Metrics": [
                        {"Name": "queue/depth", "Unit": "Count"},
                        {"Name": "queue/oldest_wait_seconds", "Unit": "Seconds"},
                    ],
                }],
            },
            "environment": "test",
            "pool": "li\"nux\n",
            "queue/depth": 12.0,
            "queue/oldest_wait_seconds": 1.5,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let line = published(|sink| {
            let pool = [("pool", "default")];
            let metrics = [
                count("queue/depth", f64::NAN),
                count("pool/idle", f64::INFINITY),
            ];
            sink.publish(0, pool, metrics);
            let metrics = [count("queue/depth", 1.0), count("pool/idle", f64::NAN)];
            sink.publish(0, pool, metrics);
            let values = Values::Each(&[f64::NAN, 2.0]);
            let duration = Series {
                name: "requests/duration_ms",
                unit: Unit::Milliseconds,
                values,
            };
            sink.publish_series(0, &[("operation", "claim_job")], &[duration]);
        });
        assert!(!line.contains("null") && !line.contains("idle"), "{line}");
        assert!(line.contains("\"queue/depth\":1.0"), "{line}");
        assert!(line.contains("\"requests/duration_ms\":[2.0]"), "{line}");
    }

    #[test]
    fn where_nobody_collects_metrics_none_are_written() {
        let off = MetricSink::off();
        assert!(!off.is_on());
        off.publish(0, [("pool", "default")], [count("queue/depth", 1.0)]);
    }
}
