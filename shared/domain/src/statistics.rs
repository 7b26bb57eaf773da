//! What the jobs that ended within a time add up to.

use std::collections::BTreeMap;
use wire::JobStatus;

/// How many jobs ended, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// With exit code 0.
    pub completed: u64,
    /// Failed in their only attempt.
    pub failed: u64,
    /// Failed or lost as often as they may.
    pub dead_lettered: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.completed + self.failed + self.dead_lettered + self.cancelled
    }

    /// The part of those that ran to an end which failed; 0 if none did.
    pub fn failure_rate(self) -> f64 {
        let failed = self.failed + self.dead_lettered;
        ratio(failed as f64, self.completed + failed)
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.dead_lettered += other.dead_lettered;
        self.cancelled += other.cancelled;
    }
}

/// What some ended jobs add up to. Aggregates of disjoint sets of jobs can be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// How many ended, by how.
    pub counts: Counts,
    /// How long those that were claimed had waited, in milliseconds, together.
    pub wait_ms: u64,
    /// How long those that were started ran, in milliseconds, together.
    pub execution_ms: u64,
    /// How many were started.
    pub executions: u64,
    /// How many waited how long: logarithmic buckets, [`BUCKETS_PER_OCTAVE`] to a doubling.
    pub waits: BTreeMap<u8, u64>,
}

/// How many buckets a doubling of the wait is divided in, which bounds the error of a percentile to 19 %.
pub const BUCKETS_PER_OCTAVE: u32 = 4;

impl Aggregate {
    /// Counts a job that ended in `status`.
    pub fn count(&mut self, status: JobStatus, wait_ms: Option<u64>, execution_ms: Option<u64>) {
        match status {
            JobStatus::Completed => self.counts.completed += 1,
            JobStatus::Failed => self.counts.failed += 1,
            JobStatus::DeadLettered => self.counts.dead_lettered += 1,
            JobStatus::Cancelled => self.counts.cancelled += 1,
            JobStatus::Queued | JobStatus::Claimed | JobStatus::Running => return,
        }
        if let Some(wait_ms) = wait_ms {
            self.wait_ms += wait_ms;
            *self.waits.entry(bucket(wait_ms)).or_default() += 1;
        }
        if let Some(execution_ms) = execution_ms {
            self.execution_ms += execution_ms;
            self.executions += 1;
        }
    }

    /// Adds the jobs of another aggregate.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(other.counts);
        self.wait_ms += other.wait_ms;
        self.execution_ms += other.execution_ms;
        self.executions += other.executions;
        for (bucket, count) in &other.waits {
            *self.waits.entry(*bucket).or_default() += count;
        }
    }

    /// Whether no job was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.total() == 0
    }

    /// How long jobs waited on average, in seconds.
    pub fn avg_wait_seconds(&self) -> f64 {
        ratio(self.wait_ms as f64 / 1000.0, self.waits.values().sum())
    }

    /// How long jobs ran on average, in seconds.
    pub fn avg_execution_seconds(&self) -> f64 {
        ratio(self.execution_ms as f64 / 1000.0, self.executions)
    }

    /// The wait that 95 % of the jobs did not exceed, in seconds, rounded up by at most 19 %.
    pub fn p95_wait_seconds(&self) -> f64 {
        let all: u64 = self.waits.values().sum();
        let rank = (all * 95).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in &self.waits {
            seen += count;
            if seen >= rank {
                return upper_bound_ms(*bucket) / 1000.0;
            }
        }
        0.0
    }
}

fn ratio(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "64 octaves of 4 buckets and the one of zero: from 1 to 255, without a fraction"
)]
fn bucket(wait_ms: u64) -> u8 {
    if wait_ms == 0 {
        return 0;
    }
    let octaves = (wait_ms as f64).log2() * f64::from(BUCKETS_PER_OCTAVE);
    (octaves.ceil() + 1.0).clamp(1.0, 255.0) as u8
}

fn upper_bound_ms(bucket: u8) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    ((f64::from(bucket) - 1.0) / f64::from(BUCKETS_PER_OCTAVE)).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_95th_percentile_is_at_most_19_percent_too_high(mut waits in prop::collection::vec(1..100_000_000_u64, 1..200)) {
            let mut aggregate = Aggregate::default();
            for wait in &waits {
                aggregate.count(JobStatus::Completed, Some(*wait), None);
            }
            waits.sort_unstable();
            let exact = waits[(waits.len() * 95).div_ceil(100) - 1] as f64 / 1000.0;
            let estimate = aggregate.p95_wait_seconds();
            prop_assert!(estimate >= exact * 0.999_999 && estimate <= exact * 1.19, "{exact} {estimate}");
        }

        #[test]
        fn aggregates_of_parts_add_up_to_the_whole(waits in prop::collection::vec(0..100_000_u64, 0..50), cut in 0..50_usize) {
            let (mut whole, mut left, mut right) = (Aggregate::default(), Aggregate::default(), Aggregate::default());
            for (place, wait) in waits.iter().enumerate() {
                let part = if place < cut { &mut left } else { &mut right };
                part.count(JobStatus::Failed, Some(*wait), Some(*wait));
                whole.count(JobStatus::Failed, Some(*wait), Some(*wait));
            }
            left.add(&right);
            prop_assert_eq!(left, whole);
        }
    }

    #[test]
    fn the_failure_rate_leaves_cancelled_jobs_out() {
        let counts = Counts {
            completed: 6,
            failed: 1,
            dead_lettered: 1,
            cancelled: 5,
        };
        assert!((counts.failure_rate() - 0.25).abs() < f64::EPSILON);
        assert!(Counts::default().failure_rate().abs() < f64::EPSILON);
    }
}
