//! Sixteen agents' worth of claimers on one line of jobs.

use crate::harness::{Plane, Scripted, until};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wire::{JobId, JobStatus};

const CLAIMERS: u32 = 16;
const JOBS: usize = 2_000;
const BATCH: usize = 100;
/// How long all of it may take on a machine that is busy with other tests.
const WITHIN: Duration = Duration::from_secs(150);
/// How often an agent says that it is alive.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(8);

/// Claims, starts and completes until every job is done. What it was given.
async fn work(agent: Scripted, at_once: u32, done: Arc<AtomicUsize>) -> Vec<(JobId, u32)> {
    let begun = Instant::now();
    let mut heard = Instant::now();
    let mut given = Vec::new();
    while done.load(Ordering::Relaxed) < JOBS {
        assert!(begun.elapsed() < WITHIN, "only {done:?} jobs are done");
        if heard.elapsed() > HEARTBEAT_EVERY {
            agent.heartbeat(&[]).await;
            heard = Instant::now();
        }
        let jobs = agent.claim(at_once).await;
        for job in &jobs {
            given.push((job.job_id.clone(), job.attempt));
            agent.start(job).await;
            let ended = agent.complete(job, 0).await;
            assert_eq!(ended.job.status, JobStatus::Completed);
            done.fetch_add(1, Ordering::Relaxed);
        }
        if jobs.is_empty() {
            // Others hold what is left.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    given
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_claimers_share_two_thousand_jobs_none_twice_and_none_lost() {
    let plane = Plane::in_memory().await;
    let api = plane.api();
    let request = json!({
        "job_type": "build", "pool_name": "default", "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    });
    let mut enqueued = BTreeSet::new();
    for _ in 0..JOBS / BATCH {
        enqueued.extend(api.enqueue_all(&vec![request.clone(); BATCH]).await);
    }
    assert_eq!(enqueued.len(), JOBS);

    let begun = Instant::now();
    let done = Arc::new(AtomicUsize::new(0));
    let mut claimers = Vec::new();
    for number in 0..CLAIMERS {
        let agent = Scripted::register(&plane).await;
        // Some take one at a time, some several: both must share.
        let at_once = if number % 4 == 0 { 5 } else { 1 };
        claimers.push(tokio::spawn(work(agent, at_once, Arc::clone(&done))));
    }
    let mut given = Vec::new();
    for claimer in claimers {
        given.extend(claimer.await.unwrap());
    }
    eprintln!("{JOBS} jobs in {:?}", begun.elapsed());

    assert_eq!(given.len(), JOBS, "no job was given twice");
    assert!(given.iter().all(|(_, attempt)| *attempt == 1));
    let given: BTreeSet<_> = given.into_iter().map(|(id, _)| id).collect();
    assert!(given == enqueued, "no job was lost");
    let completed = api.list("status=COMPLETED").await;
    let completed: BTreeSet<_> = completed.into_iter().map(|job| job.job_id).collect();
    assert!(completed == enqueued, "every job is completed");
    until(
        "the statistics to agree",
        Duration::from_mins(1),
        async || {
            let stats = api.get("/api/queue/stats").await.expect(200);
            let numbers = [&stats["completed"], &stats["queued"], &stats["running"]];
            (numbers == [&json!(JOBS), &json!(0), &json!(0)]).then_some(())
        },
    )
    .await;
}
