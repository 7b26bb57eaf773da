//! Whether a chain of records is whole, and if not, which record is the first that is not as it was written.
//!
//! It reads one record at a time and remembers two hashes, however long the chain is.

use super::{Link, Record};
use crate::{Sha256Hex, TenantId};
use std::str::FromStr;

/// How many characters of a message about a line that is not a record are kept.
const MAX_MESSAGE: usize = 160;

/// What is known of a chain beside its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The hash of the record before the first one that is read. Without it the chain must begin at its beginning.
    pub after: Option<Sha256Hex>,
    /// A record that is known to have been written, usually the last one of an earlier day.
    pub head: Option<Head>,
    /// Whose chain it is. Without it that is whose its first record is.
    pub tenant: Option<TenantId>,
}

/// A record that is known to have been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number, if that was noted too.
    pub sequence: Option<u64>,
    /// Its hash.
    pub hash: Sha256Hex,
}

/// Text that names no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be the hash of a record, 64 lower-case hexadecimal digits, or its number, a colon and its hash"
)]
pub struct MalformedHead;

impl FromStr for Head {
    type Err = MalformedHead;

    fn from_str(text: &str) -> Result<Self, MalformedHead> {
        let (sequence, hash) = match text.split_once(':') {
            Some((sequence, hash)) => (Some(sequence.parse().map_err(|_| MalformedHead)?), hash),
            None => (None, text),
        };
        let hash = Sha256Hex::parse(hash).map_err(|_| MalformedHead)?;
        Ok(Self { sequence, hash })
    }
}

/// What a chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every record is as it was written and in its place.
    Whole(Whole),
    /// One is not.
    Broken(Broken),
}

/// A chain without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Whose it is; none if nobody said so and it has no record.
    pub tenant: Option<TenantId>,
    /// How many records it has.
    pub records: u64,
    /// The number of its first one; none if it has none.
    pub first: Option<u64>,
    /// Its end. What was cut off behind it cannot be seen in it: that takes a head that was noted elsewhere.
    pub end: Link,
    /// Whether the record that is known to have been written is in it, or right before it; none if no such record was named.
    pub has_head: Option<bool>,
}

/// The first fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: record {sequence} {fault}")]
pub struct Broken {
    /// The line that it was found at, from 1.
    pub line: u64,
    /// The number of the record that is not there, or not as it was written.
    pub sequence: u64,
    /// What is wrong with it.
    pub fault: ChainFault,
}

/// What can be wrong with a record of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// Its line is not a record.
    #[error("should stand here, and what stands here is not a record: {0}")]
    NotARecord(String),
    /// What it says is not what its hash was taken of.
    #[error("is altered: its hash is not that of what it says")]
    Altered,
    /// It was written anew, with a hash to match: the records beside it bear witness.
    #[error(
        "is altered: it was written anew, and the record {witness} bears witness that it had another hash"
    )]
    Replaced {
        /// The number of the record that says so.
        witness: u64,
    },
    /// It belongs to another organisation.
    #[error("is another organisation's: {0}")]
    OtherTenant(TenantId),
    /// It is not in the chain.
    #[error("is missing; the next one is record {next}")]
    Missing {
        /// The number of the record that stands in its place.
        next: u64,
    },
    /// It stands further behind.
    #[error("is not in its place: record {before} stands before it")]
    Reordered {
        /// The number of the record that stands in its place.
        before: u64,
    },
    /// A record of that number has been there before.
    #[error("stands there a second time, or too late; record {expected} should stand here")]
    Repeated {
        /// The number of the record that should stand there.
        expected: u64,
    },
    /// It does not follow the record that the chain is said to go on from.
    #[error("does not follow the record that it should follow")]
    NotAfter,
    /// It is known to have been written with another hash.
    #[error(
        "is not the one that is known to have been written: it, or one before it, was written anew"
    )]
    OtherHead,
    /// It is known to have been written, and is not in this part of the chain.
    #[error(
        "is known to have been written, and lies before this part, which begins with record {first}: verify with a part \
         that has it"
    )]
    BeforeFirst {
        /// The number of the first record that is here.
        first: u64,
    },
    /// The chain ends before a record that is known to have been written.
    #[error("and all after it are missing: a later one is known to have been written")]
    CutOff,
    /// No record of the chain has the hash that one is known to have been written with.
    #[error(
        "is the last, and a record that is known to have been written is not there: those after it are missing, or the \
         chain was written anew"
    )]
    NoHead,
}

/// What a chain has come to so far.
#[derive(Debug)]
enum State {
    /// Every record was in its place.
    Following,
    /// This record does not name the hash of the one before it. The next one tells which of the two was written anew.
    Doubtful { line: u64 },
    /// The record that should stand here does not. If it stands further behind, it was moved.
    Searching { line: u64, next: u64 },
    /// There is nothing more to find out.
    Broken(Broken),
}

/// Reads a chain record by record.
#[derive(Debug)]
pub struct Verifier {
    expected: Expected,
    state: State,
    tenant: Option<TenantId>,
    line: u64,
    records: u64,
    first: Option<u64>,
    /// The hash of the record before the first; zeros at the beginning of the chain.
    before: Sha256Hex,
    /// The last record that was in its place.
    end: Link,
    has_head: bool,
}

impl Verifier {
    /// Nothing read yet.
    pub fn new(expected: Expected) -> Self {
        let mut end = Link::start();
        if let Some(hash) = &expected.after {
            end.hash = hash.clone();
        }
        Self {
            tenant: expected.tenant.clone(),
            expected,
            state: State::Following,
            line: 0,
            records: 0,
            first: None,
            before: end.hash.clone(),
            end,
            has_head: false,
        }
    }

    /// Reads on: one line as it was exported. Says whether reading on can still tell anything.
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => self.push(&record),
            Err(error) => self.push_unreadable(printable(&error.to_string())),
        }
    }

    /// Reads on: a line that is not a record.
    pub fn push_unreadable(&mut self, why: String) -> bool {
        self.line += 1;
        match self.state {
            State::Following => self.break_at(self.next_sequence(), ChainFault::NotARecord(why)),
            State::Doubtful { line } => self.settle(line, None),
            State::Searching { .. } | State::Broken(_) => {}
        }
        !matches!(self.state, State::Broken(_))
    }

    /// Reads on: one record.
    pub fn push(&mut self, record: &Record) -> bool {
        self.line += 1;
        match self.state {
            State::Following => self.follow(record),
            State::Doubtful { line } => self.settle(line, Some(record)),
            State::Searching { line, next } => self.search(line, next, record),
            State::Broken(_) => {}
        }
        !matches!(self.state, State::Broken(_))
    }

    fn next_sequence(&self) -> u64 {
        // Anybody may have written the number, even the largest there is.
        self.end.sequence.saturating_add(1)
    }

    fn break_at(&mut self, sequence: u64, fault: ChainFault) {
        self.break_on(self.line, sequence, fault);
    }

    fn break_on(&mut self, line: u64, sequence: u64, fault: ChainFault) {
        self.state = State::Broken(Broken {
            line,
            sequence,
            fault,
        });
    }

    fn follow(&mut self, record: &Record) {
        // Where a chain that goes on from a known hash begins is for its first record to say.
        if self.first.is_none() && self.expected.after.is_some() {
            self.end.sequence = record.sequence.saturating_sub(1);
        }
        let expected = self.next_sequence();
        if record.computed_hash() != record.hash {
            return self.break_at(expected, ChainFault::Altered);
        }
        if let Some(tenant) = &self.tenant
            && *tenant != record.tenant_id
        {
            let tenant = record.tenant_id.clone();
            return self.break_at(expected, ChainFault::OtherTenant(tenant));
        }
        if record.sequence > expected {
            self.state = State::Searching {
                line: self.line,
                next: record.sequence,
            };
            return;
        }
        if record.sequence < expected {
            return self.break_at(record.sequence, ChainFault::Repeated { expected });
        }
        if record.previous_hash != self.end.hash {
            if self.first.is_some() {
                self.state = State::Doubtful { line: self.line };
            } else if self.expected.after.is_some() {
                return self.break_at(expected, ChainFault::NotAfter);
            } else {
                // Nothing stands before the first record, so it names zeros.
                return self.break_at(expected, ChainFault::Altered);
            }
        }
        self.accept(record);
    }

    fn accept(&mut self, record: &Record) {
        self.records += 1;
        self.first.get_or_insert(record.sequence);
        self.tenant.get_or_insert_with(|| record.tenant_id.clone());
        self.end = record.link();
        let Some(head) = &self.expected.head else {
            return;
        };
        if head.hash == record.hash {
            self.has_head = true;
        } else if head.sequence == Some(record.sequence) && matches!(self.state, State::Following) {
            self.break_at(record.sequence, ChainFault::OtherHead);
        }
    }

    /// Decides which of two records was written anew: the last one, which names another hash than that of the one before
    /// it, or the one before it.
    fn settle(&mut self, line: u64, next: Option<&Record>) {
        let doubtful = self.end.sequence;
        let vouched_for = match next {
            Some(next) => {
                next.sequence == doubtful + 1
                    && next.computed_hash() == next.hash
                    && next.previous_hash == self.end.hash
            }
            // Whoever writes the last record anew makes it fit what stands before it.
            None => true,
        };
        if vouched_for {
            let fault = ChainFault::Replaced { witness: doubtful };
            self.break_on(line - 1, doubtful - 1, fault);
        } else {
            let witness = doubtful - 1;
            self.break_on(line, doubtful, ChainFault::Replaced { witness });
        }
    }

    fn search(&mut self, line: u64, next: u64, record: &Record) {
        let missing = self.next_sequence();
        if record.sequence == missing {
            self.break_on(line, missing, ChainFault::Reordered { before: next });
        }
    }

    /// Says why the record that is known to have been written is not among those that were read.
    fn miss(&mut self, head: &Head) {
        // Without a hash to go on from, the chain begins at its beginning, whether it has a record or not.
        let first = self
            .first
            .or_else(|| self.expected.after.is_none().then_some(1));
        let last_before = first.and_then(|first| first.checked_sub(1));
        let may_be_last_before =
            head.sequence.is_none() || last_before.is_none() || head.sequence == last_before;
        if may_be_last_before && head.hash == self.before {
            self.has_head = true;
            return;
        }
        match (head.sequence, first) {
            (Some(sequence), _) if sequence > self.end.sequence => {
                self.break_at(self.next_sequence(), ChainFault::CutOff);
            }
            (Some(sequence), _) if last_before == Some(sequence) => {
                self.break_at(sequence, ChainFault::OtherHead);
            }
            (Some(sequence), Some(first)) if sequence < first => {
                self.break_at(sequence, ChainFault::BeforeFirst { first });
            }
            (None, _) if self.records == 0 => {
                self.break_at(self.next_sequence(), ChainFault::CutOff);
            }
            (Some(_) | None, _) => self.break_at(self.end.sequence, ChainFault::NoHead),
        }
    }

    /// There are no more records.
    pub fn finish(mut self) -> Verdict {
        match self.state {
            State::Doubtful { line } => self.settle(line, None),
            State::Searching { line, next } => {
                self.break_on(line, self.next_sequence(), ChainFault::Missing { next });
            }
            State::Following | State::Broken(_) => {}
        }
        if matches!(self.state, State::Following)
            && let Some(head) = self.expected.head.clone()
            && !self.has_head
        {
            self.miss(&head);
        }
        match self.state {
            State::Broken(broken) => Verdict::Broken(broken),
            State::Following | State::Doubtful { .. } | State::Searching { .. } => {
                Verdict::Whole(Whole {
                    tenant: self.tenant,
                    records: self.records,
                    first: self.first,
                    end: self.end,
                    has_head: self.expected.head.map(|_| self.has_head),
                })
            }
        }
    }
}

/// The beginning of a message, which may quote from a line that anybody may have written: nothing in it is to steer the
/// terminal that it is shown on.
fn printable(message: &str) -> String {
    let shown = message.chars().take(MAX_MESSAGE);
    shown
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

/// Verifies records that are there all at once.
pub fn verify<'a>(records: impl IntoIterator<Item = &'a Record>, expected: Expected) -> Verdict {
    let mut verifier = Verifier::new(expected);
    for record in records {
        if !verifier.push(record) {
            break;
        }
    }
    verifier.finish()
}
