//! Events of the customers' relays become jobs and decisions.
//!
//! Two ways in, one handler. A customer's queue of SQS may trigger the function; every other queue is read once a minute and
//! for most of that minute, with the role or the federation that the customer grants. Queues deliver at least once and in any
//! order, and a process may die anywhere: what becomes of an event is decided once, written down, done, and noted as done,
//! and only then is its message deleted. Whoever is given the message again goes on where that stopped.

mod act;
mod batch;
mod doors;
mod event;
mod line;
mod memory;
mod message;
mod poll;
mod reason;
mod received;
mod report;
mod settings;
mod standing;
mod system;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;

pub use act::Handled;
pub use batch::Verdict;
pub use event::{Event, Record};
pub use message::{Delivery, Source};
pub use poll::ROUND_EVERY;
pub use reason::{Closed, Disbelief, Postponement, Refusal};
pub use report::{Answer, BatchAnswer, Failure, PollReport, Tally};
pub use settings::settings;
pub use system::{now, random};

use domain::limits::Limits;
use doors::Doors;
use lambda_runtime::LambdaEvent;
use memory::{Numbers, Rooms, Rules};
use queues::Opener;
use standing::Standings;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, WriteId};
use telemetry::{CapacityMetrics, ColdStart, MetricSink, TraceContext, Traces, invocation};
use tracing::Instrument;
use wire::Timestamp;

/// For how long one scheduled invocation goes on, in seconds. The next one comes after a minute.
const RUN_SECONDS: i64 = 58;

/// How long before its deadline an invocation ends, in seconds.
const SPARE_SECONDS: i64 = 5;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Yields random bytes, for ids of writes.
pub type Random = Arc<dyn Fn() -> [u8; 8] + Send + Sync>;

/// What an orchestrator is made of.
#[derive(Clone)]
pub struct Parts {
    /// The control plane's state.
    pub store: Store,
    /// What opens the customers' queues.
    pub opener: Opener,
    /// The clock.
    pub now: Now,
    /// Where ids of writes come from.
    pub random: Random,
    /// How many jobs an organisation may have in line.
    pub limits: Limits,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// What makes jobs and decisions of events. Clones share what they remember.
#[derive(Clone)]
pub struct Orchestrator {
    store: Store,
    doors: Doors,
    now: Now,
    random: Random,
    routing: Rules,
    numbers: Numbers,
    rooms: Rooms,
    standings: Standings,
    sink: MetricSink,
    capacity: CapacityMetrics,
    traces: Traces,
    cold_start: Arc<ColdStart>,
}

impl fmt::Debug for Orchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orchestrator").finish_non_exhaustive()
    }
}

impl Orchestrator {
    /// An orchestrator without metrics.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            store,
            opener,
            now,
            random,
            limits,
        } = parts;
        let sink = MetricSink::off();
        Self {
            capacity: CapacityMetrics::new(store.meter().clone(), sink.clone()),
            store,
            doors: Doors::new(opener),
            now,
            random,
            routing: Rules::default(),
            numbers: Numbers::default(),
            rooms: Rooms::new(limits.queued_jobs),
            standings: Standings::default(),
            sink,
            traces: Traces::off(),
            cold_start: Arc::default(),
        }
    }

    /// The same, with metrics.
    pub fn with_metrics(self, sink: MetricSink) -> Self {
        Self {
            capacity: CapacityMetrics::new(self.store.meter().clone(), sink.clone()),
            sink,
            ..self
        }
    }

    /// The same, with traces.
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// How many requests this process has made of customers' queues.
    pub fn queue_requests(&self) -> u64 {
        self.doors.requests()
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn write_id(&self) -> WriteId {
        WriteId::new((self.random)())
    }

    /// For an ExternalId that nobody was given.
    fn external_id_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(self.random)());
        bytes[8..].copy_from_slice(&(self.random)());
        bytes
    }
}

/// Serves one invocation. Its log lines and spans name it.
pub async fn invoke(event: LambdaEvent<Event>, orchestrator: &Orchestrator) -> Answer {
    let LambdaEvent { payload, context } = event;
    let deadline = Timestamp::since_epoch(Duration::from_millis(context.deadline));
    let trace = TraceContext::of_invocation(context.xray_trace_id.as_deref(), random());
    let is_cold = orchestrator.cold_start.is_first();
    let span = invocation(&context.request_id, &trace, is_cold);
    let served = handle_one(payload, orchestrator, deadline);
    let answer = served.instrument(span).await;
    let now_ms = orchestrator.now().as_millis();
    orchestrator.traces.flush(now_ms).await;
    answer
}

/// Serves one event. `deadline` is when Lambda ends the invocation. Where that has passed already, as in the emulator of
/// cargo-lambda, which gives a duration instead of a time, one round is what there is time for.
pub async fn handle_one(event: Event, orchestrator: &Orchestrator, deadline: Timestamp) -> Answer {
    let answer = match event {
        Event::Messages(records) => {
            Answer::Batch(Box::pin(handle_records(orchestrator, records)).await)
        }
        Event::Scheduled => {
            let now = orchestrator.now();
            let report = if deadline <= now {
                Box::pin(orchestrator.poll_once()).await
            } else {
                let last = deadline.plus_seconds(-SPARE_SECONDS);
                let until = last.min(now.plus_seconds(RUN_SECONDS));
                Box::pin(orchestrator.poll_until(until)).await
            };
            report.log();
            Answer::Polled(report)
        }
    };
    let now_ms = orchestrator.now().as_millis();
    orchestrator.capacity.publish(now_ms);
    answer
}

async fn handle_records(orchestrator: &Orchestrator, records: Vec<Record>) -> BatchAnswer {
    let deliveries: Vec<_> = records
        .into_iter()
        .map(|record| Delivery {
            message_id: record.message_id,
            body: record.body,
            source: Source::Arn(record.queue_arn),
        })
        .collect();
    let verdicts = orchestrator.handle_batch(&deliveries).await;
    let kept = deliveries.into_iter().zip(verdicts);
    let kept = kept.filter(|(_, verdict)| !verdict.is_done());
    BatchAnswer {
        batch_item_failures: kept
            .map(|(delivery, _)| Failure {
                item_identifier: delivery.message_id,
            })
            .collect(),
    }
}
