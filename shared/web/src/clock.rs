//! The clock that handlers read, once a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::Timestamp;

/// A clock: the system's, or one that a test sets. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until it is set.
    pub fn manual(at: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.as_millis()))))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        if let Some(millis) = &self.0 {
            return Timestamp::from_millis(millis.load(Ordering::SeqCst));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::since_epoch(since.unwrap_or_default())
    }

    /// Sets a manual clock. The system's stays as it is.
    pub fn set(&self, at: Timestamp) {
        if let Some(millis) = &self.0 {
            millis.store(at.as_millis(), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock forward. The system's stays as it is.
    pub fn advance_seconds(&self, seconds: i64) {
        if let Some(millis) = &self.0 {
            millis.fetch_add(seconds.saturating_mul(1000), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let clock = Clock::manual(Timestamp::from_millis(1000));
        let same = clock.clone();
        clock.advance_seconds(2);
        assert_eq!(same.now(), Timestamp::from_millis(3000));
        same.set(Timestamp::from_millis(5));
        assert_eq!(clock.now(), Timestamp::from_millis(5));
    }

    #[test]
    fn the_system_clock_tells_a_time_after_this_was_written() {
        assert!(Clock::system().now() > Timestamp::from_millis(1_700_000_000_000));
    }
}
