//! What invocations came to: counts for the log, the answer, and metrics. No organisation is named in them.

use crate::batch::Verdict;
use serde::Serialize;
use telemetry::{Metric, MetricSink, Unit};
use wire::relay::EventMetadata;
use wire::{EventOutcome, Timestamp};

/// What became of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// A job was put in line.
    pub enqueued: usize,
    /// A decision was sent.
    pub decided: usize,
    /// Somebody was told.
    pub notified: usize,
    /// A rule said to ignore the event.
    pub ignored: usize,
    /// No rule was for the event.
    pub unmatched: usize,
    /// The event could not be acted on, and never can be.
    pub refused: usize,
    /// The event had been done with before.
    pub duplicates: usize,
    /// Not this time: the message comes back.
    pub postponed: usize,
    /// The message is not believed.
    pub disbelieved: usize,
    /// The longest time from an event's arrival at its relay until it was done with, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_lag_ms: Option<i64>,
}

impl Tally {
    pub(crate) fn count(&mut self, verdict: Verdict) {
        let one = match verdict {
            Verdict::Postponed(_) => &mut self.postponed,
            Verdict::Disbelieved(_) => &mut self.disbelieved,
            Verdict::Done(handled) if !handled.is_new => &mut self.duplicates,
            Verdict::Done(handled) => match handled.outcome {
                EventOutcome::Enqueued => &mut self.enqueued,
                EventOutcome::Decided => &mut self.decided,
                EventOutcome::Notified => &mut self.notified,
                EventOutcome::Ignored => &mut self.ignored,
                EventOutcome::Unmatched => &mut self.unmatched,
                EventOutcome::Refused => &mut self.refused,
            },
        };
        *one += 1;
    }

    pub(crate) fn note_lag(&mut self, verdict: Verdict, event: &EventMetadata, now: Timestamp) {
        if matches!(verdict, Verdict::Done(handled) if handled.is_new) {
            let lag = now.millis_since(event.received_at).max(0);
            self.longest_lag_ms = self.longest_lag_ms.max(Some(lag));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.enqueued += other.enqueued;
        self.decided += other.decided;
        self.notified += other.notified;
        self.ignored += other.ignored;
        self.unmatched += other.unmatched;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.postponed += other.postponed;
        self.disbelieved += other.disbelieved;
        self.longest_lag_ms = self.longest_lag_ms.max(other.longest_lag_ms);
    }

    fn by_outcome(&self) -> [(&'static str, usize); 9] {
        [
            ("enqueued", self.enqueued),
            ("decided", self.decided),
            ("notified", self.notified),
            ("ignored", self.ignored),
            ("unmatched", self.unmatched),
            ("refused", self.refused),
            ("duplicate", self.duplicates),
            ("postponed", self.postponed),
            ("disbelieved", self.disbelieved),
        ]
    }

    /// How many messages there were.
    pub fn messages(&self) -> usize {
        self.by_outcome().iter().map(|(_, count)| count).sum()
    }

    /// Publishes what there was: what has not happened costs no metric.
    pub(crate) fn publish(&self, sink: &MetricSink, at: Timestamp) {
        let at_ms = at.as_millis();
        for (outcome, count) in self.by_outcome() {
            if count > 0 {
                let handled = counted("events/handled", count);
                sink.publish(at_ms, [("outcome", outcome)], [handled]);
            }
        }
        if let Some(lag) = self.longest_lag_ms {
            let lag = Metric {
                name: "events/lag_ms",
                unit: Unit::Milliseconds,
                value: lag as f64,
            };
            sink.publish(at_ms, [], [lag]);
        }
    }
}

fn counted(name: &'static str, count: usize) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        value: count as f64,
    }
}

/// What rounds over the relays came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PollReport {
    /// How many rounds there were.
    pub rounds: usize,
    /// How many queues were read.
    pub polled: usize,
    /// How many could not be.
    pub failed: usize,
    /// How many were left alone because they had failed before.
    pub backed_off: usize,
    /// How many were left alone because nothing of what they had sent could be acted on.
    pub put_off: usize,
    /// What failed of the control plane's own, and is left to the next round.
    pub errors: usize,
    /// What became of the messages.
    pub messages: Tally,
}

impl PollReport {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.polled += other.polled;
        self.failed += other.failed;
        self.backed_off += other.backed_off;
        self.put_off += other.put_off;
        self.errors += other.errors;
        self.messages.add(&other.messages);
    }

    /// Writes it to the log, in one line.
    pub(crate) fn log(&self) {
        tracing::info!(
            rounds = self.rounds,
            polled = self.polled,
            failed = self.failed,
            backed_off = self.backed_off,
            put_off = self.put_off,
            messages = self.messages.messages(),
            enqueued = self.messages.enqueued,
            postponed = self.messages.postponed,
            disbelieved = self.messages.disbelieved,
            errors = self.errors,
            "polling done"
        );
    }

    pub(crate) fn publish(&self, sink: &MetricSink, at: Timestamp) {
        self.messages.publish(sink, at);
        if self.polled + self.failed + self.backed_off > 0 {
            let metrics = [
                counted("relays/polled", self.polled),
                counted("relays/failing", self.failed + self.backed_off),
            ];
            sink.publish(at.as_millis(), [], metrics);
        }
    }
}

/// What an invocation answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Which messages are to stay on the queue.
    Batch(BatchAnswer),
    /// What the rounds came to.
    Polled(PollReport),
}

/// The answer to messages of a queue, as Lambda reads it: what is not named is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// The messages that stay.
    pub batch_item_failures: Vec<Failure>,
}

/// A message that stays on the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its id.
    pub item_identifier: String,
}
