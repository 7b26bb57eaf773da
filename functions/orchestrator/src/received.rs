//! What a round received: handled, and taken off the queue where nothing more is to come of it.

use crate::Orchestrator;
use crate::batch::Verdict;
use crate::doors::Door;
use crate::message::{Delivery, Source};
use crate::poll::Turn;
use crate::reason::{Disbelief, Postponement};
use domain::relay::Relay;
use futures_util::{StreamExt, stream};
use queues::{Message, Outgoing, QueueError};
use store::TenantScope;

/// How many messages are taken off at a time.
const AT_A_TIME: usize = 5;

/// How the subject of a dead letter begins. The reason comes after it.
const SUBJECT: &str = "hybrid-ci.refused.";

/// A relay whose queue is being read.
pub(crate) struct Reading<'a> {
    pub(crate) scope: &'a TenantScope,
    pub(crate) relay: &'a Relay,
    pub(crate) inbound: &'a Door,
}

impl Orchestrator {
    /// Handles messages, and takes those off that are done with, or that are not believed and lie on the relay's dead-letter queue
    /// by now. One that cannot be taken off comes back, and is found to be done with then, or is a dead letter twice. One that
    /// comes as a dead letter and is still not believed stays: where dead letters lead back here, it would go round for ever.
    pub(crate) async fn handle_received(
        &self,
        reading: &Reading<'_>,
        received: Vec<Message>,
        turn: &mut Turn,
    ) {
        let source = Source::Polled(reading.scope.clone(), reading.relay.inbound_queue.clone());
        let (seals, deliveries): (Vec<_>, Vec<_>) = received
            .into_iter()
            .map(|message| {
                let delivery = Delivery {
                    message_id: message.id,
                    body: message.body,
                    source: source.clone(),
                };
                ((message.receipt, message.subject), delivery)
            })
            .unzip();
        let (verdicts, tally) = self.handle_counted(&deliveries).await;
        turn.messages.add(&tally);
        turn.is_put_off = is_put_off(&verdicts);
        let is_dead = |verdict: &Verdict| matches!(verdict, Verdict::Disbelieved(_));
        let dead_letters = if verdicts.iter().any(is_dead) {
            self.dead_letters(reading.relay).await
        } else {
            None
        };
        let dead_letters = dead_letters.as_ref();
        let all = seals.into_iter().zip(deliveries).zip(verdicts);
        let mut ends = stream::iter(all)
            .map(|(((receipt, subject), delivery), verdict)| async move {
                let is_over = match verdict {
                    Verdict::Done(_) => true,
                    Verdict::Postponed(_) => false,
                    Verdict::Disbelieved(_) if subject.starts_with(SUBJECT) => false,
                    Verdict::Disbelieved(why) => bury(dead_letters, &delivery, why).await,
                };
                if is_over {
                    reading.inbound.delete(&receipt).await?;
                }
                Ok::<_, QueueError>(is_over)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some(end) = ends.next().await {
            match end {
                Ok(is_over) => turn.has_moved |= is_over,
                Err(error) => turn.failure = Some(error.into()),
            }
        }
    }

    /// The relay's dead-letter queue, if it has one that can be opened. What cannot be sent there stays where it is, and keeps
    /// nothing else back.
    async fn dead_letters(&self, relay: &Relay) -> Option<Door> {
        let queue = relay.dead_letter_queue.as_ref()?;
        let opening = (self.now(), self.external_id_bytes());
        match self.doors.open(relay, queue, opening).await {
            Ok(door) => Some(door),
            Err(closed) => {
                let reason = closed.code();
                tracing::warn!(reason, "a dead-letter queue could not be opened");
                None
            }
        }
    }
}

/// Whether nothing of a batch could be acted on, and that would be no different with the next one. What somebody else has just
/// begun to act on says nothing of that.
fn is_put_off(verdicts: &[Verdict]) -> bool {
    let is_stuck = |verdict: &Verdict| matches!(verdict, Verdict::Postponed(why) if *why != Postponement::UnderWay);
    verdicts.iter().any(is_stuck) && !verdicts.iter().any(|verdict| verdict.is_done())
}

/// Sends a message on to the dead-letter queue as it is, with the reason beside it. Says whether it is there.
async fn bury(dead_letters: Option<&Door>, delivery: &Delivery, why: Disbelief) -> bool {
    let Some(dead_letters) = dead_letters else {
        return false;
    };
    let letter = Outgoing {
        body: &delivery.body,
        deduplication_id: &delivery.message_id,
        subject: &format!("{SUBJECT}{}", why.code()),
    };
    match dead_letters.send(letter).await {
        Ok(()) => true,
        Err(error) => {
            let message_id = delivery.message_id.as_str();
            tracing::warn!(message_id, %error, "a dead letter could not be sent");
            false
        }
    }
}
