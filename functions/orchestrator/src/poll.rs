//! Rounds over the relays whose queues the control plane reads. Each relay has a fair share of a round and a time of its own:
//! one that is slow, broken or flooded costs the others nothing but its place among those that are polled at a time.

use crate::Orchestrator;
use crate::reason::Closed;
use crate::received::Reading;
use crate::report::{PollReport, Tally};
use domain::relay::Relay;
use futures_util::StreamExt;
use futures_util::stream;
use queues::MAX_RECEIVED;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use store::{POLL_SHARDS, TenantScope};
use tokio::time::timeout;
use tracing::Instrument;
use wire::{RelayId, Timestamp};

/// How much time passes from the start of one round to the start of the next.
pub const ROUND_EVERY: Duration = Duration::from_secs(5);

/// How many relays are polled at a time.
const AT_A_TIME: usize = 8;

/// How many times a relay's queue is read in a round, each time for up to ten messages. What is there beyond has its turn in the
/// next round, after everybody else's.
const SHARE: usize = 10;

/// How long a relay may take in a round. What is under way then is broken off, which is safe at every point.
const TURN: Duration = Duration::from_secs(15);

/// How many relays a page has, and how many pages a shard has at most.
const PAGE: usize = 100;
const MAX_PAGES: usize = 100;

/// A relay that is polled.
type Entry = (TenantScope, RelayId);

/// What became of one relay's turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) messages: Tally,
    pub(crate) failure: Option<Closed>,
    /// Whether it was not the relay's but our own fault.
    is_error: bool,
}

impl Orchestrator {
    /// Polls round after round until that time. What is under way then is broken off, which is safe at every point.
    pub async fn poll_until(&self, until: Timestamp) -> PollReport {
        let mut report = PollReport::default();
        let every_ms = i64::try_from(ROUND_EVERY.as_millis()).unwrap_or(i64::MAX);
        loop {
            let started = self.now();
            let Some(left) = time_between(started, until) else {
                return report;
            };
            match timeout(left, self.poll_once()).await {
                Ok(round) => report.add(&round),
                Err(_) => return report,
            }
            self.traces.flush(self.now().as_millis()).await;
            let next = started.plus_millis(every_ms);
            if next >= until {
                return report;
            }
            if let Some(pause) = time_between(self.now(), next) {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// One round over every relay that is polled. Relays that have waited longest come first.
    pub async fn poll_once(&self) -> PollReport {
        let mut report = PollReport {
            rounds: 1,
            ..PollReport::default()
        };
        let all = self.relays_to_poll(&mut report).await;
        let now = self.now();
        let (mut due, backed_off): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(_, relay)| !self.standings.is_backed_off(relay, now));
        report.backed_off = backed_off.len();
        due.sort_by_cached_key(|(_, relay)| self.standings.last_turn(relay));
        let mut turns = stream::iter(due)
            .map(|(scope, relay_id)| async move {
                let span = tracing::info_span!("poll", tenant_id = %scope.tenant(), %relay_id);
                Box::pin(self.take_turn(&scope, &relay_id))
                    .instrument(span)
                    .await
            })
            .buffer_unordered(AT_A_TIME);
        while let Some(turn) = turns.next().await {
            report.messages.add(&turn.messages);
            report.errors += usize::from(turn.is_error);
            match turn.failure {
                Some(_) => report.failed += 1,
                None => report.polled += usize::from(!turn.is_error),
            }
        }
        report.publish(&self.sink, self.now());
        report
    }

    /// Every relay that is polled. A shard that cannot be read does not stop the others; the next round tries it again.
    async fn relays_to_poll(&self, report: &mut PollReport) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        let errors_before = report.errors;
        for shard in 0..POLL_SHARDS {
            let mut after: Option<Entry> = None;
            for _ in 0..MAX_PAGES {
                let page = match self.store.relays_to_poll(shard, after.as_ref()).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(%error, shard, "the relays of a shard could not be read");
                        report.errors += 1;
                        break;
                    }
                };
                let is_last = page.len() < PAGE;
                after = page.last().cloned();
                all.extend(page);
                if is_last {
                    break;
                }
            }
        }
        if report.errors == errors_before {
            self.standings
                .keep(&all.iter().map(|(_, relay)| relay).collect::<HashSet<_>>());
        }
        all
    }

    /// A relay's turn, and what its record says of it afterwards.
    async fn take_turn(&self, scope: &TenantScope, relay_id: &RelayId) -> Turn {
        let mut turn = Turn::default();
        self.standings.begin(relay_id, self.now());
        let polled = timeout(TURN, self.poll_relay(scope, relay_id, &mut turn)).await;
        if polled.is_err() {
            turn.failure = Some(Closed("too_slow"));
        }
        if turn.is_error {
            return turn;
        }
        let failure = turn.failure.map(Closed::code);
        if let Some(reason) = failure {
            tracing::warn!(reason, "a relay's queue could not be read");
        }
        if let Some(polled) = self.standings.end(relay_id, failure, self.now()) {
            let tenant = self.store.tenant(scope);
            match tenant.note_relay_poll(relay_id, &polled).await {
                Ok(()) => self.standings.noted(relay_id, polled),
                Err(error) => {
                    tracing::error!(%error, "how a relay was polled could not be written");
                    turn.is_error = true;
                }
            }
        }
        turn
    }

    async fn poll_relay(&self, scope: &TenantScope, relay_id: &RelayId, turn: &mut Turn) {
        let relay = match self.polled_relay(scope, relay_id).await {
            Ok(Some(relay)) => relay,
            // It was deleted, and the index does not know yet.
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "a relay could not be read");
                turn.is_error = true;
                return;
            }
        };
        let opening = (self.now(), self.external_id_bytes());
        let door = match self.doors.open(&relay, &relay.inbound_queue, opening).await {
            Ok(door) => door,
            Err(closed) => {
                turn.failure = Some(closed);
                return;
            }
        };
        let reading = Reading {
            scope,
            relay: &relay,
            inbound: &door,
        };
        for _ in 0..SHARE {
            let received = match door.receive(MAX_RECEIVED).await {
                Ok(received) => received,
                Err(error) => {
                    turn.failure = Some(error.into());
                    return;
                }
            };
            if received.is_empty() {
                return;
            }
            self.handle_received(&reading, received, turn).await;
            if turn.failure.is_some() {
                return;
            }
        }
    }

    async fn polled_relay(
        &self,
        scope: &TenantScope,
        relay_id: &RelayId,
    ) -> Result<Option<Arc<Relay>>, store::StoreError> {
        let now = self.now();
        if let Some(relay) = self.standings.relay(relay_id, now) {
            return Ok(Some(relay));
        }
        let relay = self
            .store
            .tenant(scope)
            .relay(relay_id)
            .await?
            .map(Arc::new);
        if let Some(relay) = &relay {
            self.standings.put_relay(relay, now);
        }
        Ok(relay)
    }
}

/// The time from one moment to a later one; none if it is not later.
fn time_between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    u64::try_from(to.millis_since(from))
        .ok()
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
}
