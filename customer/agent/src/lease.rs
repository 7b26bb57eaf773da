//! How long the agent may act on what it holds.
//!
//! The control plane gives an agent's jobs to others when it has not heard of the agent for a whole lease. The agent must
//! have stopped them before that, without being told: it counts from the moment it *sent* the last heartbeat that was
//! answered, which is never later than the moment the control plane heard it.

use crate::sync::lock;
use std::sync::Mutex;
use std::time::Duration;

/// The most that is kept free at the end of a lease to stop jobs in.
const MARGIN: Duration = Duration::from_secs(5);

/// A moment on a clock that nobody can set, and that goes on while the machine sleeps.
///
/// `std::time::Instant` is `CLOCK_MONOTONIC` on Linux, which stands still while the machine is suspended: an agent on a
/// laptop that slept through its lease would believe to hold it still. `CLOCK_BOOTTIME` counts that time and costs the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        Self(boot_time())
    }

    pub(crate) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long it is from here to `later`; nothing if that has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

#[cfg(target_os = "linux")]
fn boot_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or_else(|_| since_start(), Duration::from)
}

#[cfg(not(target_os = "linux"))]
fn boot_time() -> Duration {
    since_start()
}

fn since_start() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// What the agent may do with the jobs it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They are its own.
    Good,
    /// They still are, and it must stop them.
    Stopping,
    /// They may be somebody else's.
    Over,
}

/// The lease of one session.
#[derive(Debug)]
pub(crate) struct Lease {
    length: Duration,
    margin: Duration,
    sent: Mutex<Moment>,
}

impl Lease {
    /// A lease that began with a call that was sent at that moment.
    pub(crate) fn new(length: Duration, sent: Moment) -> Self {
        Self {
            length,
            margin: MARGIN.min(length / 4),
            sent: Mutex::new(sent),
        }
    }

    /// A heartbeat that was sent at that moment has been answered.
    pub(crate) fn renew(&self, sent: Moment) {
        let mut last = lock(&self.sent);
        *last = sent.max(*last);
    }

    pub(crate) fn phase(&self, now: Moment) -> Phase {
        if now < self.stop_at() {
            Phase::Good
        } else if now < self.kill_at() {
            Phase::Stopping
        } else {
            Phase::Over
        }
    }

    /// When jobs are asked to stop unless a heartbeat is answered before.
    pub(crate) fn stop_at(&self) -> Moment {
        let sent = *lock(&self.sent);
        sent.plus(self.length.saturating_sub(self.margin))
    }

    /// When jobs are killed: a quarter of the margin is left for the kernel to take the processes apart.
    pub(crate) fn kill_at(&self) -> Moment {
        self.stop_at().plus(self.margin * 3 / 4)
    }

    /// How often to look whether it is time to stop, so that a machine that was asleep notices soon after it wakes.
    pub(crate) fn watch_interval(&self) -> Duration {
        (self.margin / 8).min(Duration::from_millis(500))
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment(Duration::from_millis(millis))
    }

    #[test]
    fn jobs_are_stopped_and_killed_before_the_lease_can_have_ended() {
        let lease = Lease::new(Duration::from_secs(30), at(1_000));
        assert_eq!(lease.phase(at(25_999)), Phase::Good);
        assert_eq!(lease.phase(at(26_000)), Phase::Stopping);
        assert_eq!(lease.phase(at(29_749)), Phase::Stopping);
        assert_eq!(lease.phase(at(29_750)), Phase::Over);
    }

    #[test]
    fn a_short_lease_has_a_short_margin() {
        let lease = Lease::new(Duration::from_secs(2), at(0));
        assert_eq!(lease.phase(at(1_499)), Phase::Good);
        assert_eq!(lease.phase(at(1_875)), Phase::Over);
    }

    #[test]
    fn a_heartbeat_counts_from_when_it_was_sent_and_never_backwards() {
        let lease = Lease::new(Duration::from_secs(30), at(0));
        lease.renew(at(10_000));
        lease.renew(at(5_000));
        assert_eq!(lease.phase(at(34_999)), Phase::Good);
        assert_eq!(lease.phase(at(35_000)), Phase::Stopping);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = Moment::now();
        assert!(Moment::now() >= before);
    }
}
