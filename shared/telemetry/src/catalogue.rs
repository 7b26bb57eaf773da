//! Every metric that there is.

use crate::Unit;

/// What becomes of the values of a metric over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How much it is now.
    Gauge,
    /// How much came since it was last published.
    Count,
    /// How much it was each time.
    Distribution,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name, as `queue/depth`.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// What becomes of its values.
    pub kind: Kind,
    /// The dimension that it has besides the environment.
    pub dimension: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// The dimension of what there is of every pool.
const POOL: Option<&str> = Some("pool");
/// The dimension of what there is of everything that may become of an event.
const OUTCOME: Option<&str> = Some("outcome");
/// The dimension of what there is of every operation.
const OPERATION: Option<&str> = Some("operation");

macro_rules! metrics {
    ($($name:literal, $unit:ident, $kind:ident, $dimension:expr, $meaning:literal;)+) => {
        /// Every metric that there is, in the order of the documentation.
        pub const METRICS: &[Described] = &[$(Described {
            name: $name,
            unit: Unit::$unit,
            kind: Kind::$kind,
            dimension: $dimension,
            meaning: $meaning,
        }),+];
    };
}

metrics! {
    "queue/depth", Count, Gauge, POOL, "jobs that wait, those in a back-off included";
    "queue/running", Count, Gauge, POOL, "jobs that are claimed or run";
    "queue/oldest_wait_seconds", Seconds, Gauge, POOL, "how long the job that waits longest has waited";
    "pool/capacity", Count, Gauge, POOL, "how many jobs the agents that take work run at a time, together";
    "pool/idle", Count, Gauge, POOL, "how many more they could run";
    "pool/desired_agents", Count, Gauge, POOL, "how many agents there should be: the auto-scaling signal";
    "agents/healthy", Count, Gauge, POOL, "agents that take work";
    "agents/degraded", Count, Gauge, POOL, "agents that take work and are short of processor, memory or disk";
    "agents/offline", Count, Gauge, POOL, "agents that were lost within a day and not heard of since";
    "queue/avg_wait_ms", Milliseconds, Gauge, None, "average wait of the jobs that ended within 24 hours";
    "queue/p95_wait_ms", Milliseconds, Gauge, None, "the wait that 95 % of them did not exceed, at most 19 % too high";
    "queue/failure_rate", None, Gauge, None, "the part of them that failed or was dead-lettered, 0 to 1; cancelled ones do not count";
    "jobs/throughput", Count, Count, None, "jobs that have ended since the roll-up before: the sum over a minute is jobs a minute";
    "deployments/active", Count, Gauge, None, "deployments in production";
    "events/handled", Count, Count, OUTCOME, "messages of relays, by what became of them: `enqueued`, `decided`, `notified`, `ignored`, `unmatched`, `refused`, `duplicate`, `postponed`, `disbelieved`";
    "events/lag_ms", Milliseconds, Gauge, None, "the longest time from a webhook's arrival at its relay until its event was done with, of those since it was last published";
    "relays/polled", Count, Gauge, None, "relays whose queue was read in the last round";
    "relays/failing", Count, Gauge, None, "relays whose queue could not be read, those that are left alone for that reason included";
    "requests/duration_ms", Milliseconds, Distribution, OPERATION, "how long each request took, from its arrival in the function to its answer";
    "requests/2xx", Count, Count, OPERATION, "requests that were answered well";
    "requests/3xx", Count, Count, OPERATION, "requests that were sent elsewhere, as at a sign-in";
    "requests/4xx", Count, Count, OPERATION, "requests that were refused for a fault of the caller";
    "requests/5xx", Count, Count, OPERATION, "requests that failed for a fault of the control plane, or of what it needs";
    "capacity/read_units", Count, Count, OPERATION, "read units of DynamoDB that the operation consumed since it was last published";
    "capacity/write_units", Count, Count, OPERATION, "write units";
    "capacity/lost_races", Count, Count, OPERATION, "writes that lost to another; DynamoDB charges them and does not say how much";
}

/// The metric of that name.
pub(crate) fn described(name: &str) -> Option<&'static Described> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Whether there is such a metric with those dimensions.
pub(crate) fn knows(name: &str, unit: Unit, dimensions: &[(&'static str, &str)]) -> bool {
    described(name).is_some_and(|metric| {
        let names = dimensions.iter().map(|(name, _)| *name);
        metric.unit == unit && names.eq(metric.dimension)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of the documentation.
    const PAGE: &str = include_str!("../../../docs/operations.md");

    #[test]
    fn the_documentation_has_a_row_for_every_metric_and_no_other() {
        let head = "| metric | unit | dimensions besides | meaning |";
        let rows = PAGE.lines().skip_while(|line| *line != head).skip(2);
        let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).collect();
        let wanted: Vec<_> = METRICS
            .iter()
            .map(|metric| {
                let unit = format!("{:?}", metric.unit);
                let dimension = metric
                    .dimension
                    .map_or(String::new(), |name| format!("`{name}` "));
                let Described { name, meaning, .. } = metric;
                format!("| `{name}` | {unit} | {dimension}| {meaning} |")
            })
            .collect();
        assert_eq!(rows, wanted);
    }

    #[test]
    fn what_dashboards_were_promised_is_there_under_its_name() {
        for name in [
            "queue/depth",
            "queue/avg_wait_ms",
            "queue/p95_wait_ms",
            "queue/failure_rate",
            "agents/healthy",
            "agents/degraded",
            "agents/offline",
            "deployments/active",
            "jobs/throughput",
        ] {
            assert!(described(name).is_some(), "{name}");
        }
    }
}
