//! Messages of a queue, together: each for itself, so that a bad one keeps no other back.

use crate::message::{Believed, Delivery, Known, Unread};
use crate::reason::{Disbelief, Postponement};
use crate::report::Tally;
use crate::{Orchestrator, act::Handled};
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::HashMap;
use wire::{EventId, RelayId};

/// How many events are acted on at a time.
const AT_A_TIME: usize = 5;

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its event is done with: it is to be deleted.
    Done(Handled),
    /// It is to be left on the queue, and comes back.
    Postponed(Postponement),
    /// It is not believed, and belongs on a dead-letter queue.
    Disbelieved(Disbelief),
}

impl Verdict {
    /// Whether the message is to be deleted.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// The verdict on another message of the same event.
    const fn again(self) -> Self {
        match self {
            Self::Done(handled) => Self::Done(Handled {
                is_new: false,
                ..handled
            }),
            other => other,
        }
    }
}

/// An event, and the places of the messages that bring it.
type Group = (Believed, Vec<usize>);

impl Orchestrator {
    /// Handles messages, and says of each in its place what is to become of it.
    pub async fn handle_batch(&self, deliveries: &[Delivery]) -> Vec<Verdict> {
        let (verdicts, tally) = self.handle_counted(deliveries).await;
        tally.publish(&self.sink, self.now());
        verdicts
    }

    pub(crate) async fn handle_counted(&self, deliveries: &[Delivery]) -> (Vec<Verdict>, Tally) {
        let mut tally = Tally::default();
        let mut verdicts = vec![Verdict::Postponed(Postponement::Store); deliveries.len()];
        let groups = self.believed(deliveries, &mut verdicts).await;
        let mut handled = stream::iter(groups)
            .map(|(believed, places)| async move {
                // On the heap, because the future of everything that may be done is large.
                let verdict = Box::pin(self.act_on(&believed)).await;
                (verdict, believed, places)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some((verdict, believed, places)) = handled.next().await {
            tally.note_lag(verdict, &believed.signed.event, self.now());
            for (nth, place) in places.into_iter().enumerate() {
                verdicts[place] = if nth == 0 { verdict } else { verdict.again() };
            }
        }
        for verdict in &verdicts {
            tally.count(*verdict);
        }
        (verdicts, tally)
    }

    /// The events that are to be acted on. A message that is not believed has its verdict then. Messages of the same event are
    /// acted on together, since one of them is enough.
    async fn believed(&self, deliveries: &[Delivery], verdicts: &mut [Verdict]) -> Vec<Group> {
        let mut known = Known::default();
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<(RelayId, EventId), usize> = HashMap::new();
        for (place, delivery) in deliveries.iter().enumerate() {
            match self.believe(delivery, &mut known).await {
                Ok(believed) => {
                    let relay_id = believed.relay.relay_id.clone();
                    let event = (relay_id, believed.signed.event.event_id.clone());
                    let group = *places.entry(event).or_insert(groups.len());
                    match groups.get_mut(group) {
                        Some((_, others)) => others.push(place),
                        None => groups.push((believed, vec![place])),
                    }
                }
                Err(Unread::Disbelieved(why)) => {
                    let message_id = delivery.message_id.as_str();
                    tracing::warn!(message_id, reason = %why, "a message is not believed");
                    verdicts[place] = Verdict::Disbelieved(why);
                }
                Err(Unread::Unknown(error)) => {
                    verdicts[place] = Verdict::Postponed(error.into());
                }
            }
        }
        groups
    }
}
