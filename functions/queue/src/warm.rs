//! What a warm process remembers between requests. Losing it costs a little speed and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use store::{ClaimOrder, DEADLINE_SHARDS};
use wire::Timestamp;

/// How much time passes at least between two sweeps by this process, in milliseconds.
const SWEEP_EVERY_MS: i64 = 1000;

/// The memory of a warm process. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warm {
    /// How far from the head of each line to pick.
    pub(crate) order: ClaimOrder,
    sweeps: Arc<Sweeps>,
}

#[derive(Debug, Default)]
struct Sweeps {
    last_ms: AtomicI64,
    count: AtomicU32,
}

impl Warm {
    /// The shard to sweep now, one after the other; none if the last sweep was less than a second ago.
    pub(crate) fn shard_to_sweep(&self, now: Timestamp) -> Option<u32> {
        let Sweeps { last_ms, count } = &*self.sweeps;
        let now = now.as_millis();
        let due = |last: i64| (now - last >= SWEEP_EVERY_MS).then_some(now);
        last_ms
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, due)
            .ok()?;
        Some(count.fetch_add(1, Ordering::SeqCst) % DEADLINE_SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sweeps_once_a_second_and_every_shard_in_turn() {
        let warm = Warm::default();
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(warm.shard_to_sweep(now), Some(0));
        assert_eq!(warm.shard_to_sweep(now.plus_millis(999)), None);
        let shards = (1..=DEADLINE_SHARDS)
            .map(|second| warm.shard_to_sweep(now.plus_seconds(i64::from(second))));
        let expected: Vec<_> = (1..=DEADLINE_SHARDS)
            .map(|second| Some(second % DEADLINE_SHARDS))
            .collect();
        assert_eq!(shards.collect::<Vec<_>>(), expected);
    }
}
