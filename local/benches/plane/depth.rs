//! A claim at three depths of the line: on the store itself, in this process, with its database on disk.

use crate::report::Report;
use crate::tenant::{NOW, Tenant, complete, unregistered};
use crate::{on_disk, runtime};
use std::time::Instant;

/// How many claims a latency is taken from.
const SAMPLES: usize = 200;

pub(crate) fn measure(report: &mut Report) {
    runtime().block_on(async {
        let (_directory, engine) = on_disk();
        let tenant = Tenant::new(&engine).await;
        let mut waiting = 0;
        for depth in [10, 1_000, 100_000] {
            while waiting < depth {
                tenant.enqueue(NOW).await;
                waiting += 1;
            }
            claims(&tenant, report, depth).await;
        }
    });
}

/// The latency and the read units of claims with that many jobs in line.
async fn claims(tenant: &Tenant, report: &mut Report, depth: usize) {
    let agent = unregistered();
    let read = || {
        let counts = tenant.store.meter().snapshot();
        counts.get("claim_job").map_or(0.0, |it| it.read_units)
    };
    let before = read();
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        let job = tenant.claim(&agent, NOW).await;
        samples.push(begun.elapsed());
        let done = complete(&agent, job.attempt, 0);
        tenant.change("complete", &job.job_id, &done, NOW).await;
        tenant.enqueue(NOW).await;
    }
    report.latency(&format!("claim at depth {depth}, in process"), samples);
    report.units(
        &format!("read units of a claim at depth {depth}"),
        (read() - before) / SAMPLES as f64,
    );
}
