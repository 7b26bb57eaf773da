//! Who waits for a turn, and whose is next. Organisations take turns, and each has a few places at a time: whoever has many
//! relays, or slow ones, holds up nobody but themselves.

use std::collections::{HashMap, VecDeque};
use store::TenantScope;
use wire::{RelayId, TenantId, Timestamp};

/// How many relays are polled at a time.
const AT_A_TIME: usize = 8;

/// How many of them may be one organisation's while others wait.
const OF_ONE: usize = 2;

/// How many of them may be one organisation's while nobody else waits: the rest is kept free for whoever comes next.
const OF_ONE_ALONE: usize = 6;

/// A relay that is to have a turn, and when it had its last one.
pub(crate) type Due = (Option<Timestamp>, TenantScope, RelayId);

/// The relays that wait and those that have their turn.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The organisations whose turn it is next, and of each the relays that have waited longest first.
    waiting: VecDeque<(TenantScope, VecDeque<RelayId>)>,
    at_work: HashMap<RelayId, TenantId>,
    /// How many turns there had been when an organisation was last given one.
    served: HashMap<TenantId, u64>,
    turns: u64,
}

impl Line {
    /// Whether the relay has its turn now.
    pub(crate) fn is_at_work(&self, relay: &RelayId) -> bool {
        self.at_work.contains_key(relay)
    }

    /// From now on these wait, and nobody else.
    pub(crate) fn renew(&mut self, mut due: Vec<Due>) {
        due.sort_by_key(|(last_turn, ..)| *last_turn);
        let mut places = HashMap::new();
        let mut waiting: Vec<(TenantScope, VecDeque<RelayId>)> = Vec::new();
        for (_, scope, relay) in due {
            let place = *places
                .entry(scope.tenant().clone())
                .or_insert(waiting.len());
            match waiting.get_mut(place) {
                Some((_, relays)) => relays.push_back(relay),
                None => waiting.push((scope, VecDeque::from([relay]))),
            }
        }
        // Of two that were not given a turn yet, the one with the relay that has waited longest comes first.
        waiting.sort_by_key(|(scope, _)| self.served.get(scope.tenant()).copied());
        self.waiting = waiting.into();
    }

    /// The next one, if there is a place for it. It has its turn until that is said to be over.
    pub(crate) fn next(&mut self) -> Option<(TenantScope, RelayId)> {
        if self.at_work.len() >= AT_A_TIME {
            return None;
        }
        let most = match self.waiting.len() {
            1 => OF_ONE_ALONE,
            _ => OF_ONE,
        };
        let has_place = |(scope, _): &(TenantScope, _)| {
            let own = self.at_work.values().filter(|it| *it == scope.tenant());
            own.count() < most
        };
        let place = self.waiting.iter().position(has_place)?;
        let (scope, mut relays) = self.waiting.remove(place)?;
        let relay = relays.pop_front()?;
        let tenant = scope.tenant().clone();
        if !relays.is_empty() {
            self.waiting.push_back((scope.clone(), relays));
        }
        self.turns += 1;
        self.served.insert(tenant.clone(), self.turns);
        self.at_work.insert(relay.clone(), tenant);
        Some((scope, relay))
    }

    /// The relay's turn is over.
    pub(crate) fn over(&mut self, relay: &RelayId) {
        self.at_work.remove(relay);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::tests::world::{NOW, World};
    use std::collections::BTreeMap;

    fn relay(number: u8) -> RelayId {
        RelayId::new(NOW, [number; 10])
    }

    fn due(scope: &TenantScope, numbers: std::ops::Range<u8>) -> Vec<Due> {
        let one = |number: u8| {
            let last_turn = NOW.plus_seconds(i64::from(number));
            (Some(last_turn), scope.clone(), relay(number))
        };
        numbers.map(one).collect()
    }

    #[tokio::test]
    async fn an_organisation_has_two_places_and_all_together_eight() {
        let world = World::new().await;
        let mut line = Line::default();
        let mut all = Vec::new();
        for number in 0..5 {
            let scope = world.tenant(&format!("tenant-{number}")).await;
            all.extend(due(&scope, number * 50..number * 50 + 50));
        }
        line.renew(all);
        let mut own: BTreeMap<_, Vec<_>> = BTreeMap::new();
        while let Some((scope, relay)) = line.next() {
            own.entry(scope.tenant().clone()).or_default().push(relay);
        }
        let sizes: Vec<_> = own.values().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 2, 1, 1]);
        // Whoever is done makes room for its own organisation's next, if nobody has waited longer.
        let of_first = own.values().next().unwrap();
        line.over(&of_first[0]);
        let (scope, _) = line.next().unwrap();
        assert_eq!(scope.tenant().as_str(), "tenant-3");
        assert!(line.next().is_none());
    }

    #[tokio::test]
    async fn the_only_relay_of_one_waits_for_none_of_the_hundreds_of_others() {
        let world = World::new().await;
        let mut line = Line::default();
        let (many, one) = (world.tenant("many").await, world.tenant("one").await);
        let mut waiting = due(&many, 0..200);
        waiting.extend(due(&one, 200..201));
        line.renew(waiting.clone());
        let mut turns = Vec::new();
        while let Some((_, next)) = line.next() {
            turns.push(next);
        }
        let expected = [0, 200, 1, 2, 3, 4, 5].map(relay);
        assert_eq!(
            turns, expected,
            "six of one, and a place is free for who comes next"
        );
        // In the next round it comes before those that were never reached, and those that are at work do not wait.
        line.over(&relay(200));
        line.over(&relay(0));
        waiting.retain(|(_, _, relay)| !line.is_at_work(relay));
        assert_eq!(waiting.len(), 196);
        line.renew(waiting);
        assert_eq!(line.next().unwrap().1, relay(200));
        assert_eq!(line.next().unwrap().1, relay(0), "the sixth again");
        assert!(line.next().is_none());
    }
}
