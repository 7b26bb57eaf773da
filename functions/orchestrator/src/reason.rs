//! Why a message was not acted on, in a word: for a log line, a metric, an event's record.

use queues::QueueError;
use std::fmt;
use store::StoreError;

/// Why a message is not believed. It goes to the relay's dead-letter queue with that word; where the relay has named none, it stays on
/// the queue until the queue gives it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disbelief {
    /// It is larger than a message may be.
    TooLarge,
    /// It is not an envelope of the one version that there is.
    NotAnEnvelope,
    /// Nobody has brought a key of that id, or it has ended.
    UnknownKey,
    /// The key is another relay's.
    AnotherRelaysKey,
    /// The signature is not of that key over those bytes.
    BadSignature,
    /// What is signed is not within the contract.
    NotTheContract,
    /// There is no such relay, or not any more.
    UnknownRelay,
    /// The relay signs with another key by now.
    ReplacedKey,
    /// It came over another queue than the relay's own.
    WrongQueue,
    /// Another event of the same process of the relay has its number.
    NumberTaken,
}

impl Disbelief {
    /// The word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotAnEnvelope => "not_an_envelope",
            Self::UnknownKey => "unknown_key",
            Self::AnotherRelaysKey => "another_relays_key",
            Self::BadSignature => "bad_signature",
            Self::NotTheContract => "not_the_contract",
            Self::UnknownRelay => "unknown_relay",
            Self::ReplacedKey => "replaced_key",
            Self::WrongQueue => "wrong_queue",
            Self::NumberTaken => "number_taken",
        }
    }
}

impl fmt::Display for Disbelief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why an event that is believed cannot be acted on, now or ever. It is recorded with the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It arrived at the relay so long ago that it may have been acted on and forgotten.
    Stale,
    /// It arrived at the relay in the future: one of the clocks is wrong.
    FromTheFuture,
    /// A rule wants a job, and the event has no repository to clone or no commit.
    NoCommit,
    /// A rule decides, and the relay has no queue for decisions.
    NoDecisionQueue,
}

impl Refusal {
    /// The word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::FromTheFuture => "from_the_future",
            Self::NoCommit => "no_commit",
            Self::NoDecisionQueue => "no_decision_queue",
        }
    }
}

/// Why an event was not acted on this time. The message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Postponement {
    /// The store is busy or broken.
    Store,
    /// The organisation has as many jobs in line as it may have.
    TooManyJobs,
    /// The decision queue cannot be reached, in the queue's word.
    DecisionQueue(&'static str),
    /// Somebody else has just begun to act on the same event.
    UnderWay,
}

impl Postponement {
    /// The word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::TooManyJobs => "too_many_jobs",
            Self::DecisionQueue(why) => why,
            Self::UnderWay => "under_way",
        }
    }
}

impl From<StoreError> for Postponement {
    fn from(error: StoreError) -> Self {
        // What is broken does not heal by itself, but somebody may mend it while the message comes back.
        tracing::error!(%error, "the store failed");
        Self::Store
    }
}

/// Why a queue could not be opened, read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Closed(pub(crate) &'static str);

impl Closed {
    /// The word, as it stands in the relay's state.
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl From<QueueError> for Closed {
    fn from(error: QueueError) -> Self {
        Self(match error {
            QueueError::Unreachable(_) => "queue_unreachable",
            QueueError::Denied(_) => "queue_denied",
            QueueError::Missing(_) => "queue_missing",
            QueueError::Refused(_) => "queue_refused",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page of the documentation.
    const PAGE: &str = include_str!("../../../docs/net-zero.md");

    #[test]
    fn the_documentation_has_every_word() {
        let disbeliefs = [
            Disbelief::TooLarge,
            Disbelief::NotAnEnvelope,
            Disbelief::UnknownKey,
            Disbelief::AnotherRelaysKey,
            Disbelief::BadSignature,
            Disbelief::NotTheContract,
            Disbelief::UnknownRelay,
            Disbelief::ReplacedKey,
            Disbelief::WrongQueue,
            Disbelief::NumberTaken,
        ];
        let refusals = [
            Refusal::Stale,
            Refusal::FromTheFuture,
            Refusal::NoCommit,
            Refusal::NoDecisionQueue,
        ];
        let postponements = [
            Postponement::Store,
            Postponement::TooManyJobs,
            Postponement::UnderWay,
        ];
        let closed = [
            "external_id",
            "queue_access",
            "role_open",
            "sts_unreachable",
            "too_slow",
            "queue_unreachable",
            "queue_denied",
            "queue_missing",
            "queue_refused",
        ];
        let words = (disbeliefs.map(Disbelief::code).into_iter())
            .chain(refusals.map(Refusal::code))
            .chain(postponements.map(Postponement::code))
            .chain(closed);
        for word in words {
            assert!(PAGE.contains(&format!("`{word}`")), "{word}");
        }
    }
}
