//! What happens without a request: lost agents and overdue jobs are looked after, statistics rolled up, pools scaled.
//!
//! EventBridge calls once a minute at most, and a loss has to be found sooner. So one invocation goes on until the
//! next has begun: a sweep every two seconds, a roll-up every thirty. Every write is conditional on what was seen, and a roll-up
//! counts anew what it writes: two invocations at once do no harm, and one that is cut off is made good by the next.

mod audit;
mod event;
mod figures;
mod report;
mod roll_up;
mod round;
mod settings;
mod sweep;
mod system;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;

pub use event::Event;
pub use report::{RollUpReport, Summary, SweepReport};
pub use settings::settings;
pub use system::{now, random};

use lambda_runtime::LambdaEvent;
use round::Round;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use telemetry::{CapacityMetrics, ColdStart, MetricSink, TraceContext, Traces, invocation};
use tokio::sync::Mutex;
use tracing::Instrument;
use wire::Timestamp;

/// How much time passes from the start of one sweep to the start of the next.
pub const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// How much time passes from the start of one roll-up to the start of the next.
pub const ROLL_UP_EVERY: Duration = Duration::from_secs(30);

/// For how long one invocation goes on, in seconds. The next one comes after a minute, give or take what EventBridge and a cold
/// start take: they overlap, so that there is never a time without a sweep.
const RUN_SECONDS: i64 = 65;

/// How long before its deadline an invocation ends, in seconds.
const SPARE_SECONDS: i64 = 5;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Yields random bytes, for ids of writes.
pub type Random = Arc<dyn Fn() -> [u8; 8] + Send + Sync>;

/// What looks after everything. Clones share how far the last roll-up has got.
#[derive(Clone)]
pub struct Maintenance {
    store: Store,
    now: Now,
    random: Random,
    round: Arc<Mutex<Round>>,
    sink: MetricSink,
    capacity: CapacityMetrics,
    traces: Traces,
    cold_start: Arc<ColdStart>,
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintenance").finish_non_exhaustive()
    }
}

impl Maintenance {
    /// Maintenance of this store, without metrics.
    pub fn new(store: Store, now: Now, random: Random) -> Self {
        let sink = MetricSink::off();
        Self {
            round: Arc::default(),
            capacity: CapacityMetrics::new(store.meter().clone(), sink.clone()),
            store,
            now,
            random,
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

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Sweeps and rolls up, again and again, until that time. What is under way then is broken off, which is safe at
    /// every point.
    pub async fn run(&self, until: Timestamp) -> Summary {
        let mut summary = Summary::default();
        let Summary { sweeps, roll_ups } = &mut summary;
        // On the heap, because futures of all that a pass may do are large.
        let sweeping = self.repeat(until, SWEEP_EVERY, async || {
            sweeps.add(Box::pin(self.sweep_pass()).await);
        });
        let rolling = self.repeat(until, ROLL_UP_EVERY, async || {
            roll_ups.add(Box::pin(self.roll_up_pass()).await);
        });
        futures_util::future::join(sweeping, rolling).await;
        summary
    }

    /// Sweeps once and rolls up once.
    pub async fn run_once(&self) -> Summary {
        let mut summary = Summary::default();
        summary.sweeps.add(Box::pin(self.sweep_pass()).await);
        summary.roll_ups.add(Box::pin(self.roll_up_pass()).await);
        summary
    }

    async fn repeat(&self, until: Timestamp, every: Duration, mut pass: impl AsyncFnMut()) {
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        loop {
            let started = self.now();
            let Some(left) = time_between(started, until) else {
                return;
            };
            if tokio::time::timeout(left, pass()).await.is_err() {
                return;
            }
            // More of them would be too many to be kept until the end.
            self.traces.flush(self.now().as_millis()).await;
            let next = started.plus_millis(every_ms);
            if next >= until {
                return;
            }
            if let Some(pause) = time_between(self.now(), next) {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// The time from one moment to a later one; none if it is not later.
fn time_between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    u64::try_from(to.millis_since(from))
        .ok()
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
}

/// Serves one invocation. Its log lines and spans name it.
pub async fn invoke(event: LambdaEvent<Event>, maintenance: &Maintenance) -> Summary {
    let LambdaEvent { payload, context } = event;
    let deadline = Timestamp::since_epoch(Duration::from_millis(context.deadline));
    let trace = TraceContext::of_invocation(context.xray_trace_id.as_deref(), random());
    let span = invocation(
        &context.request_id,
        &trace,
        maintenance.cold_start.is_first(),
    );
    let served = handle_one(payload, maintenance, deadline);
    let summary = served.instrument(span).await;
    maintenance
        .traces
        .flush(maintenance.now().as_millis())
        .await;
    summary
}

/// Serves one scheduled event. `deadline` is when Lambda ends the invocation. Where that has passed already, as in the
/// emulator of cargo-lambda, which gives a duration instead of a time, one pass of each is what there is time for.
pub async fn handle_one(_event: Event, maintenance: &Maintenance, deadline: Timestamp) -> Summary {
    let now = maintenance.now();
    let summary = if deadline <= now {
        Box::pin(maintenance.run_once()).await
    } else {
        let last = deadline.plus_seconds(-SPARE_SECONDS);
        Box::pin(maintenance.run(last.min(now.plus_seconds(RUN_SECONDS)))).await
    };
    summary.log();
    maintenance.capacity.publish(maintenance.now().as_millis());
    summary
}
