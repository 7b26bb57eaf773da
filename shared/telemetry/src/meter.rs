//! Consumed capacity, counted by operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one kind of operation has consumed since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Calls to DynamoDB that were answered.
    pub calls: u64,
    /// Read units that the answers reported.
    pub read_units: f64,
    /// Write units that the answers reported.
    pub write_units: f64,
    /// Writes whose condition did not hold because somebody else had written. DynamoDB charges them and does not report
    /// their units, so they are counted apart.
    pub lost_races: u64,
}

/// Counts consumed capacity by operation. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<BTreeMap<&'static str, Usage>>>);

impl Meter {
    /// Counts one answered read.
    pub fn read(&self, operation: &'static str, units: f64) {
        self.with(operation, |usage| {
            usage.calls += 1;
            usage.read_units += units;
        });
    }

    /// Counts one answered write.
    pub fn write(&self, operation: &'static str, units: f64) {
        self.with(operation, |usage| {
            usage.calls += 1;
            usage.write_units += units;
        });
    }

    /// Counts one write that lost to another.
    pub fn lost_race(&self, operation: &'static str) {
        self.with(operation, |usage| {
            usage.calls += 1;
            usage.lost_races += 1;
        });
    }

    /// Everything counted so far, by operation.
    pub fn snapshot(&self) -> BTreeMap<&'static str, Usage> {
        self.lock().clone()
    }

    /// The sum over all operations.
    pub fn total(&self) -> Usage {
        self.lock()
            .values()
            .fold(Usage::default(), |sum, usage| Usage {
                calls: sum.calls + usage.calls,
                read_units: sum.read_units + usage.read_units,
                write_units: sum.write_units + usage.write_units,
                lost_races: sum.lost_races + usage.lost_races,
            })
    }

    fn with(&self, operation: &'static str, change: impl FnOnce(&mut Usage)) {
        change(self.lock().entry(operation).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Usage>> {
        // Counts stay true whatever happened to another thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_counts() {
        let meter = Meter::default();
        let clone = meter.clone();
        clone.write("claim", 4.0);
        clone.lost_race("claim");
        meter.read("claim", 0.5);
        let usage = meter.snapshot()["claim"];
        assert_eq!(
            usage,
            Usage {
                calls: 3,
                read_units: 0.5,
                write_units: 4.0,
                lost_races: 1
            }
        );
        assert_eq!(meter.total(), usage);
    }
}
