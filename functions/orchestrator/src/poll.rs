//! Rounds over the relays whose queues the control plane reads. Each relay has a fair share of a round and a time of its own:
//! one that is slow, broken or flooded costs the others nothing but its place among those that are polled at a time. No round
//! waits for the turns of the one before it.

use crate::Orchestrator;
use crate::line::Line;
use crate::reason::Closed;
use crate::received::Reading;
use crate::report::{PollReport, Tally};
use crate::standing::{Ending, LeftAlone};
use domain::relay::Relay;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use queues::MAX_RECEIVED;
use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use store::{POLL_SHARDS, TenantScope};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument;
use wire::{RelayId, Timestamp};

/// How much time passes from the start of one round to the start of the next.
pub const ROUND_EVERY: Duration = Duration::from_secs(5);

/// How many times a relay's queue is read in a round, each time for up to ten messages. What is there beyond has its turn in the
/// next round, after everybody else's.
const SHARE: usize = 10;

/// How long a relay may take in a round. What is under way then is broken off, which is safe at every point.
const TURN: Duration = Duration::from_secs(15);

/// After how much of its turn a relay's queue is not read again in it: what is received last has time enough to be handled.
const READING: Duration = Duration::from_millis(7_500);

/// How long before the end nothing is received any more, if there is twice that time. What is received and then broken off comes back only once its queue shows
/// it again, which takes minutes.
const LAST_CALL: Duration = Duration::from_secs(2);

/// How many pages, of 100 relays each, are read of a shard at most.
const MAX_PAGES: usize = 100;

/// What became of one relay's turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) messages: Tally,
    /// Whether a message was taken off the queue.
    pub(crate) has_moved: bool,
    /// Whether nothing of what was received last could be acted on.
    pub(crate) is_put_off: bool,
    pub(crate) failure: Option<Closed>,
    /// Whether it was not the relay's but our own fault.
    is_error: bool,
}

/// A round that begins: the relays that are polled.
struct Round {
    began: Timestamp,
    relays: Vec<(TenantScope, RelayId)>,
    errors: usize,
}

/// What polling waits for.
enum Step {
    Round(Round),
    Turn(RelayId, Turn),
}

type Steps<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send + 'a>>>;

impl Orchestrator {
    /// Polls round after round until that time. What is under way then is broken off, which is safe at every point.
    pub async fn poll_until(&self, until: Timestamp) -> PollReport {
        match time_between(self.now(), until) {
            Some(left) => self.poll(Some((until, left))).await,
            None => PollReport::default(),
        }
    }

    /// One round over every relay that is polled.
    pub async fn poll_once(&self) -> PollReport {
        self.poll(None).await
    }

    /// Rounds until that time, which is so far away; without one, a single round.
    async fn poll(&self, until: Option<(Timestamp, Duration)>) -> PollReport {
        let (mut total, mut report) = (PollReport::default(), PollReport::default());
        let every_ms = i64::try_from(ROUND_EVERY.as_millis()).unwrap_or(i64::MAX);
        let begun = Instant::now();
        let last_call = until.map(|(_, left)| begun + left - LAST_CALL.min(left / 2));
        let (mut line, mut steps) = (Line::default(), Steps::new());
        steps.push(Box::pin(async { Step::Round(self.begin_round().await) }));
        loop {
            let step = match until {
                Some((_, left)) => {
                    let step = timeout_at(begun + left, steps.next()).await;
                    step.unwrap_or_default()
                }
                None => steps.next().await,
            };
            match step {
                None => break,
                Some(Step::Turn(relay, turn)) => {
                    line.over(&relay);
                    count(&turn, &mut report);
                }
                Some(Step::Round(round)) => {
                    report.publish(&self.sink, self.now());
                    total.add(&std::mem::take(&mut report));
                    let next = round.began.plus_millis(every_ms);
                    self.form_line(round, &mut line, &mut report);
                    if until.is_some_and(|(until, _)| next < until) {
                        steps.push(Box::pin(async move {
                            self.wait_until(next).await;
                            Step::Round(self.begin_round().await)
                        }));
                    }
                }
            }
            while last_call.is_none_or(|last_call| Instant::now() < last_call)
                && let Some((scope, relay)) = line.next()
            {
                steps.push(Box::pin(async move {
                    let turn = self.take_turn(&scope, &relay, last_call).await;
                    Step::Turn(relay, turn)
                }));
            }
        }
        report.publish(&self.sink, self.now());
        total.add(&report);
        total
    }

    async fn wait_until(&self, at: Timestamp) {
        self.traces.flush(self.now().as_millis()).await;
        if let Some(pause) = time_between(self.now(), at) {
            sleep(pause).await;
        }
    }

    /// Who has no turn now and is not to be left alone waits for one from now on.
    fn form_line(&self, round: Round, line: &mut Line, report: &mut PollReport) {
        report.rounds = 1;
        report.errors = round.errors;
        let (now, mut due) = (self.now(), Vec::new());
        for (scope, relay) in round.relays {
            match self.standings.left_alone(&relay, now) {
                _ if line.is_at_work(&relay) => {}
                Some(LeftAlone::Failing) => report.backed_off += 1,
                Some(LeftAlone::PutOff) => report.put_off += 1,
                None => due.push((self.standings.last_turn(&relay), scope, relay)),
            }
        }
        line.renew(due);
    }

    /// Every relay that is polled. A shard that cannot be read does not stop the others; the next round tries it again.
    async fn begin_round(&self) -> Round {
        let began = self.now();
        let (mut all, mut errors) = (Vec::new(), 0);
        for shard in 0..POLL_SHARDS {
            let mut after = None;
            for _ in 0..MAX_PAGES {
                let page = match self.store.relays_to_poll(shard, after).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(%error, shard, "the relays of a shard could not be read");
                        errors += 1;
                        break;
                    }
                };
                all.extend(page.relays);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        if errors == 0 {
            self.standings
                .keep(&all.iter().map(|(_, relay)| relay).collect::<HashSet<_>>());
        }
        Round {
            began,
            relays: all,
            errors,
        }
    }

    /// A relay's turn, and what its record says of it afterwards.
    async fn take_turn(
        &self,
        scope: &TenantScope,
        relay_id: &RelayId,
        last_call: Option<Instant>,
    ) -> Turn {
        let span = tracing::info_span!("poll", tenant_id = %scope.tenant(), %relay_id);
        let turn = async {
            let mut turn = Turn::default();
            let began = Instant::now();
            self.standings.begin(relay_id, self.now());
            let limits = (began + READING, last_call);
            let polled = self.poll_relay((scope, relay_id), limits, &mut turn);
            // Whoever is slow and still gets somewhere goes on in its next turn.
            if timeout(TURN, Box::pin(polled)).await.is_err() && !turn.has_moved {
                turn.failure = Some(Closed("too_slow"));
            }
            if !turn.is_error {
                self.note_turn(scope, relay_id, &mut turn).await;
            }
            turn
        };
        turn.instrument(span).await
    }

    async fn note_turn(&self, scope: &TenantScope, relay_id: &RelayId, turn: &mut Turn) {
        let has_moved = turn.has_moved;
        let ending = match turn.failure.map(Closed::code) {
            Some(reason) => {
                tracing::warn!(reason, "a relay's queue could not be read");
                Ending::Failed(reason)
            }
            None if turn.is_put_off => Ending::PutOff { has_moved },
            None => Ending::Read,
        };
        if let Some(polled) = self.standings.end(relay_id, ending, self.now()) {
            let tenant = self.store.tenant(scope);
            match tenant.note_relay_poll(relay_id, &polled).await {
                Ok(()) => self.standings.noted(relay_id, polled),
                Err(error) => {
                    tracing::error!(%error, "how a relay was polled could not be written");
                    turn.is_error = true;
                }
            }
        }
    }

    /// Reads a relay's queue until it has had its share. After the first moment it is not read again, after the second not at all.
    async fn poll_relay(
        &self,
        (scope, relay_id): (&TenantScope, &RelayId),
        (enough, last_call): (Instant, Option<Instant>),
        turn: &mut Turn,
    ) {
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
        for nth in 0..SHARE {
            let now = Instant::now();
            if (nth > 0 && now >= enough) || last_call.is_some_and(|last_call| now >= last_call) {
                return;
            }
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
            if turn.failure.is_some() || turn.is_put_off {
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

fn count(turn: &Turn, report: &mut PollReport) {
    report.messages.add(&turn.messages);
    report.errors += usize::from(turn.is_error);
    match turn.failure {
        Some(_) => report.failed += 1,
        None => report.polled += usize::from(!turn.is_error),
    }
}

/// The time from one moment to a later one; none if it is not later.
fn time_between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    u64::try_from(to.millis_since(from))
        .ok()
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
}
