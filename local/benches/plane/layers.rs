//! What a call takes without HTTP: on the store itself, in this process, with its database on disk and in memory. What
//! is left in memory is the SDK's and the engine's work; what the disk adds to that is the wait for it.

use crate::report::Report;
use crate::tenant::{NOW, Tenant, complete, start, unregistered};
use crate::{on_disk, runtime};
use embedded_dynamodb::Engine;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many calls a latency is taken from.
const SAMPLES: usize = 500;

pub(crate) fn measure(report: &mut Report) {
    runtime().block_on(async {
        let (_directory, engine) = on_disk();
        let tenant = Tenant::new(&engine).await;
        Box::pin(calls(&tenant, report, "on disk")).await;
        let engine = Engine::memory().unwrap();
        let tenant = Tenant::new(&engine).await;
        Box::pin(calls(&tenant, report, "in memory")).await;
    });
}

/// The latency of each call that reads and writes what it does behind HTTP.
async fn calls(tenant: &Tenant, report: &mut Report, place: &str) {
    let holder = unregistered();
    let mut samples = Samples::default();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        tenant.register(NOW).await;
        samples.add("register", begun);
        let begun = Instant::now();
        tenant.enqueue(NOW).await;
        samples.add("enqueue", begun);
    }
    let agent = tenant.register(NOW).await;
    let mut now = NOW;
    for _ in 0..SAMPLES {
        now = now.plus_seconds(10);
        let begun = Instant::now();
        tenant.heartbeat(&agent, now).await;
        samples.add("heartbeat", begun);
        let begun = Instant::now();
        let job = tenant.claim(&holder, NOW).await;
        samples.add("claim", begun);
        let begun = Instant::now();
        tenant.tenant().job(&job.job_id).await.unwrap();
        samples.add("get", begun);
        let event = start(&holder, job.attempt);
        let begun = Instant::now();
        tenant.held("start", &job, &event, NOW).await;
        samples.add("start", begun);
        let event = complete(&holder, job.attempt, 0);
        let begun = Instant::now();
        tenant.held("complete", &job, &event, NOW).await;
        samples.add("complete", begun);
    }
    for (call, samples) in samples.0 {
        report.latency(&format!("{call}, in process, {place}"), samples);
    }
}

#[derive(Default)]
struct Samples(BTreeMap<&'static str, Vec<Duration>>);

impl Samples {
    fn add(&mut self, call: &'static str, begun: Instant) {
        let elapsed = begun.elapsed();
        self.0.entry(call).or_default().push(elapsed);
    }
}
