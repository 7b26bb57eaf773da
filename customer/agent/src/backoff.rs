//! How long to wait before the next try.

use std::time::Duration;

/// No wait between two tries is longer.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);

const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Exponential back-off with full jitter: a random wait between nothing and a bound that doubles with every failure.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often it has failed since it last worked.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed: how long to wait. At least as long as the control plane asked for, if it did.
    pub(crate) fn next(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        let bound = FIRST_WAIT
            .saturating_mul(1 << self.failures.min(16))
            .min(MAX_WAIT);
        self.failures = self.failures.saturating_add(1);
        let jitter = bound.mul_f64(random.clamp(0.0, 1.0));
        match asked {
            // A little later than asked, because everybody else was asked for the same.
            Some(asked) => asked.saturating_add(jitter.min(Duration::from_secs(1))),
            None => jitter,
        }
    }
}

/// What the control plane asked for, give or take a fifth, so that agents that began together drift apart.
pub(crate) fn jittered(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

/// A random number from 0 to 1.
pub(crate) fn random() -> f64 {
    // Without a source of randomness waits are merely less spread out.
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10)
            .map(|_| backoff.next(None, 1.0).as_millis())
            .collect();
        assert_eq!(waits[..4], [250, 500, 1_000, 2_000]);
        assert_eq!(waits[9], 30_000);
        backoff.reset();
        assert_eq!(backoff.next(None, 1.0).as_millis(), 250);
        assert_eq!(Backoff::default().next(None, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_the_control_plane_asks_for_is_honoured() {
        let asked = Duration::from_secs(7);
        for random in [0.0, 0.5, 1.0] {
            let wait = Backoff::default().next(Some(asked), random);
            assert!(wait >= asked && wait <= asked + Duration::from_secs(1));
        }
    }
}
