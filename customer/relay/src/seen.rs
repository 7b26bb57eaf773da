//! Which webhooks were put on the queue lately. It spares the queue what vendors send again; that an event is acted on once
//! does not depend on it, but on the event's id.

use std::collections::{HashMap, VecDeque};
use wire::EventId;

/// How many events are remembered.
const MAX_EVENTS: usize = 10_000;

/// What two deliveries of one webhook may have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Made of the body, and of the delivery's id where that can be believed.
    pub(crate) event_id: EventId,
    /// The digest of tool and delivery id.
    pub(crate) delivery: Option<[u8; 32]>,
    /// Whether the signature covers the delivery's id. If it does not, anybody can write any id beside a body, and an id that
    /// was seen says nothing: to believe it would let a copy of an old webhook take the place of one to come.
    pub(crate) is_signed: bool,
}

/// A webhook that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) event_id: EventId,
    pub(crate) is_same_delivery: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    order: VecDeque<Marks>,
    events: HashMap<EventId, Option<[u8; 32]>>,
    deliveries: HashMap<[u8; 32], EventId>,
}

impl Seen {
    pub(crate) fn find(&self, marks: &Marks) -> Option<Known> {
        let delivery = marks.delivery.filter(|_| marks.is_signed);
        if let Some(event_id) = delivery.and_then(|delivery| self.deliveries.get(&delivery)) {
            return Some(Known {
                event_id: event_id.clone(),
                is_same_delivery: true,
            });
        }
        let delivery = self.events.get(&marks.event_id)?;
        Some(Known {
            event_id: marks.event_id.clone(),
            is_same_delivery: *delivery == marks.delivery,
        })
    }

    pub(crate) fn remember(&mut self, marks: Marks) {
        let before = self.events.insert(marks.event_id.clone(), marks.delivery);
        if before.is_some() {
            return;
        }
        if let Some(delivery) = marks.delivery.filter(|_| marks.is_signed) {
            self.deliveries.insert(delivery, marks.event_id.clone());
        }
        self.order.push_back(marks);
        if self.order.len() > MAX_EVENTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest.event_id);
            if let Some(delivery) = oldest.delivery {
                self.deliveries.remove(&delivery);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(event: u8, delivery: u8, is_signed: bool) -> Marks {
        Marks {
            event_id: EventId::from_digest([event; 16]),
            delivery: Some([delivery; 32]),
            is_signed,
        }
    }

    #[test]
    fn an_unsigned_delivery_id_alone_makes_nothing_a_duplicate() {
        let mut seen = Seen::default();
        seen.remember(marks(1, 1, false));
        assert_eq!(seen.find(&marks(2, 1, false)), None);
        let again = seen.find(&marks(1, 1, false));
        assert_eq!(again.map(|known| known.is_same_delivery), Some(true));
        let copied = seen.find(&marks(1, 2, false));
        assert_eq!(copied.map(|known| known.is_same_delivery), Some(false));
    }

    #[test]
    fn a_signed_delivery_id_is_the_event_whatever_the_body() {
        let mut seen = Seen::default();
        seen.remember(marks(1, 1, true));
        let known = seen.find(&marks(2, 1, true));
        assert_eq!(
            known.map(|known| known.event_id),
            Some(EventId::from_digest([1; 16]))
        );
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut seen = Seen::default();
        for number in 0..u32::try_from(MAX_EVENTS).unwrap_or_default() + 5 {
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            seen.remember(Marks {
                event_id: EventId::from_digest(digest),
                delivery: None,
                is_signed: false,
            });
        }
        assert_eq!(
            (seen.order.len(), seen.events.len()),
            (MAX_EVENTS, MAX_EVENTS)
        );
        assert!(!seen.events.contains_key(&EventId::from_digest([0; 16])));
    }
}
