//! How the relays have fared that this process has polled: whose turn it is, who is left alone for a while, and what their
//! records say of it already.

use domain::relay::{Polled, Relay};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::{RelayId, Timestamp};

/// How long a relay is left alone after the first turn that came to nothing, in seconds. It doubles with each further one.
const FIRST_BACK_OFF_SECONDS: i64 = 10;

/// The longest that a relay is left alone, in seconds.
const LONGEST_BACK_OFF_SECONDS: i64 = 300;

/// For how long a relay's own record is remembered, in seconds. What it says of queues never changes, and each batch of
/// messages reads it anew.
const RELAY_SECONDS: i64 = 60;

/// How often a state that has not changed is written down again, in seconds.
const NOTED_AGAIN_SECONDS: i64 = 300;

/// How a relay's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its queue was read.
    Read,
    /// Its queue was read, and what came last could not be acted on. Whoever goes on reading only uses up how often a queue shows
    /// a message.
    PutOff {
        /// Whether something could be, before.
        has_moved: bool,
    },
    /// Its queue could not be read, or not be written.
    Failed(&'static str),
}

/// Why a relay is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftAlone {
    /// It has failed.
    Failing,
    /// What it has sent cannot be acted on for now, which is not its fault.
    PutOff,
}

/// How one relay has fared.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// How many turns in a row came to nothing.
    in_vain: u32,
    left_alone: Option<(Timestamp, LeftAlone)>,
    polled_at: Option<Timestamp>,
    relay: Option<(Timestamp, Arc<Relay>)>,
    noted: Option<Polled>,
}

/// All of them. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standings(Arc<Mutex<HashMap<RelayId, Standing>>>);

impl Standings {
    fn lock(&self) -> MutexGuard<'_, HashMap<RelayId, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all relays but these.
    pub(crate) fn keep(&self, relays: &HashSet<&RelayId>) {
        self.lock().retain(|relay, _| relays.contains(relay));
    }

    /// Why the relay is to be left alone, if it is.
    pub(crate) fn left_alone(&self, relay: &RelayId, now: Timestamp) -> Option<LeftAlone> {
        let (until, why) = self.lock().get(relay)?.left_alone?;
        (now < until).then_some(why)
    }

    /// When the relay last had its turn, for an order in which nobody is forgotten.
    pub(crate) fn last_turn(&self, relay: &RelayId) -> Option<Timestamp> {
        self.lock().get(relay)?.polled_at
    }

    /// The relay's record, if it was read a moment ago.
    pub(crate) fn relay(&self, relay: &RelayId, now: Timestamp) -> Option<Arc<Relay>> {
        let all = self.lock();
        let (read_at, known) = all.get(relay)?.relay.as_ref()?;
        let is_fresh = (0..RELAY_SECONDS * 1000).contains(&now.millis_since(*read_at));
        is_fresh.then(|| Arc::clone(known))
    }

    pub(crate) fn put_relay(&self, relay: &Arc<Relay>, now: Timestamp) {
        let mut all = self.lock();
        let standing = all.entry(relay.relay_id.clone()).or_default();
        standing.relay = Some((now, Arc::clone(relay)));
        standing.noted.clone_from(&relay.polled);
    }

    /// The relay has its turn now.
    pub(crate) fn begin(&self, relay: &RelayId, now: Timestamp) {
        self.lock().entry(relay.clone()).or_default().polled_at = Some(now);
    }

    /// How the turn went. What is to be written into the relay's record, if it does not say so already.
    pub(crate) fn end(&self, relay: &RelayId, ending: Ending, now: Timestamp) -> Option<Polled> {
        let mut all = self.lock();
        let standing = all.entry(relay.clone()).or_default();
        let failure = match ending {
            Ending::Read => {
                standing.in_vain = 0;
                standing.left_alone = None;
                None
            }
            Ending::PutOff { has_moved } => {
                if has_moved {
                    standing.in_vain = 0;
                }
                standing.leave_alone(LeftAlone::PutOff, now);
                None
            }
            Ending::Failed(reason) => {
                standing.leave_alone(LeftAlone::Failing, now);
                // It may have been deleted, or set up anew.
                standing.relay = None;
                Some(reason)
            }
        };
        let is_known = standing.noted.as_ref().is_some_and(|noted| {
            noted.failure.as_deref() == failure
                && now.millis_since(noted.at) < NOTED_AGAIN_SECONDS * 1000
        });
        (!is_known).then(|| Polled {
            at: now,
            failure: failure.map(str::to_owned),
        })
    }

    /// That is in the relay's record now.
    pub(crate) fn noted(&self, relay: &RelayId, polled: Polled) {
        self.lock().entry(relay.clone()).or_default().noted = Some(polled);
    }
}

impl Standing {
    fn leave_alone(&mut self, why: LeftAlone, now: Timestamp) {
        self.in_vain = self.in_vain.saturating_add(1);
        let wait = back_off_seconds(self.in_vain);
        self.left_alone = Some((now.plus_seconds(wait), why));
    }
}

fn back_off_seconds(in_vain: u32) -> i64 {
    let doublings = in_vain.saturating_sub(1).min(10);
    (FIRST_BACK_OFF_SECONDS << doublings).min(LONGEST_BACK_OFF_SECONDS)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const DENIED: Ending = Ending::Failed("queue_denied");

    #[test]
    fn a_relay_is_left_alone_longer_each_time_that_it_fails_and_not_after_a_success() {
        let (standings, start) = (Standings::default(), Timestamp::from_millis(0));
        let relay = RelayId::new(start, [1; 10]);
        let mut now = start;
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            standings.end(&relay, DENIED, now);
            let last = now.plus_seconds(seconds - 1);
            let left_alone = standings.left_alone(&relay, last);
            assert_eq!(left_alone, Some(LeftAlone::Failing));
            now = now.plus_seconds(seconds);
            assert_eq!(standings.left_alone(&relay, now), None);
        }
        standings.end(&relay, Ending::Read, now);
        assert_eq!(standings.left_alone(&relay, now), None);
        standings.end(&relay, DENIED, now);
        let later = now.plus_seconds(10);
        assert_eq!(standings.left_alone(&relay, later), None);
    }

    #[test]
    fn a_relay_whose_messages_are_put_off_is_left_alone_as_long_and_has_not_failed() {
        let (standings, start) = (Standings::default(), Timestamp::from_millis(0));
        let relay = RelayId::new(start, [1; 10]);
        let mut now = start;
        for (has_moved, seconds) in [
            (false, 10),
            (false, 20),
            (false, 40),
            // Something moves: there is hope.
            (true, 10),
            (false, 20),
        ] {
            let polled = standings.end(&relay, Ending::PutOff { has_moved }, now);
            assert_eq!(polled.unwrap().failure, None);
            let last = now.plus_seconds(seconds - 1);
            let left_alone = standings.left_alone(&relay, last);
            assert_eq!(left_alone, Some(LeftAlone::PutOff));
            now = now.plus_seconds(seconds);
            assert_eq!(standings.left_alone(&relay, now), None);
        }
    }

    #[test]
    fn what_the_record_says_already_is_not_written_again() {
        let (standings, start) = (Standings::default(), Timestamp::from_millis(0));
        let relay = RelayId::new(start, [1; 10]);
        let note = |failure: Option<&'static str>, seconds| {
            let now = start.plus_seconds(seconds);
            let ending = failure.map_or(Ending::Read, Ending::Failed);
            let polled = standings.end(&relay, ending, now);
            if let Some(polled) = &polled {
                standings.noted(&relay, polled.clone());
            }
            polled.is_some()
        };
        assert!(note(None, 0));
        assert!(!note(None, 5));
        assert!(note(Some("queue_denied"), 10));
        assert!(!note(Some("queue_denied"), 20));
        assert!(note(Some("queue_missing"), 30));
        assert!(note(None, 40));
        assert!(!note(None, 339));
        assert!(note(None, 340));
    }
}
