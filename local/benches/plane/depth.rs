//! What each operation consumes, and a claim at three depths of the line: on the store itself, in this process.

use crate::report::Report;
use domain::Timestamp;
use domain::job::{Holder, Job, JobEvent, JobSpec};
use embedded_dynamodb::Engine;
use std::cell::Cell;
use std::time::Instant;
use store::{ClaimOrder, ClaimWish, NewJob, Store, Tables, TenantScope, WriteId};
use wire::{AgentId, JobId, PoolName, Priority};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// How many claims a latency is taken from.
const SAMPLES: usize = 200;

pub(crate) fn measure(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let engine = Engine::open(directory.path().join("depth.db")).unwrap();
        let store = Store::new(
            engine.client(),
            Tables::default(),
            telemetry::Meter::default(),
        );
        store.create_tables().await.unwrap();
        let scope = store
            .create_tenant(&"bench".parse().unwrap(), NOW)
            .await
            .unwrap();
        let bench = Bench {
            store,
            scope,
            next: Cell::new(1),
        };
        bench.units(report).await;
        let mut waiting = 0;
        for depth in [10, 1_000, 100_000] {
            while waiting < depth {
                bench.enqueue().await;
                waiting += 1;
            }
            bench.claims(report, depth).await;
        }
    });
}

struct Bench {
    store: Store,
    scope: TenantScope,
    next: Cell<u64>,
}

impl Bench {
    fn random(&self) -> [u8; 8] {
        let number = self.next.get();
        self.next.set(number + 1);
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()
    }

    fn write_id(&self) -> WriteId {
        WriteId::new(self.random())
    }

    async fn enqueue(&self) -> JobId {
        let spec = JobSpec {
            job_type: "build".parse().unwrap(),
            pool_name: pool(),
            git_repo: "https://github.com/example/shop.git".parse().unwrap(),
            git_ref: Some("refs/heads/main".parse().unwrap()),
            git_commit_sha: "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3".parse().unwrap(),
            git_author: Some("dev@example.com".parse().unwrap()),
            tags: wire::Tags::default(),
            spec_ref: None,
            spec_sha256: None,
            timeout_seconds: 3600,
            max_attempts: 3,
        };
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random());
        let job = Job::enqueue(
            JobId::new(NOW, random),
            spec,
            Priority::Normal,
            "bench".to_owned(),
            NOW,
        );
        let id = job.job_id.clone();
        let new = NewJob {
            job,
            ready_shards: 1,
            request_sha256: None,
        };
        self.store
            .tenant(&self.scope)
            .enqueue_job(new, NOW, &self.write_id())
            .await
            .unwrap();
        id
    }

    async fn claim(&self) -> Job {
        let holder = Holder {
            agent_id: agent(),
            epoch: 1,
        };
        let (pool, order) = (pool(), ClaimOrder::default());
        let wish = ClaimWish {
            pool: &pool,
            ready_shards: 1,
            holder: &holder,
            max_jobs: 1,
            order: &order,
        };
        let tenant = self.store.tenant(&self.scope);
        tenant
            .claim_jobs(&wish, NOW, || self.random())
            .await
            .unwrap()
            .jobs
            .remove(0)
    }

    async fn change(&self, operation: &'static str, job: &JobId, event: &JobEvent, now: Timestamp) {
        let tenant = self.store.tenant(&self.scope);
        tenant
            .change_job(operation, job, event, now, &self.write_id())
            .await
            .unwrap();
    }

    fn written(&self) -> f64 {
        self.store.meter().total().write_units
    }

    /// Runs one operation after the other and notes what each wrote.
    async fn units(&self, report: &mut Report) {
        let begun = self.written();
        let mut before = begun;
        let mut note = |report: &mut Report, name: &str| {
            let now = self.written();
            report.units(&format!("write units: {name}"), now - before);
            before = now;
        };
        let id = self.enqueue().await;
        note(report, "enqueue");
        self.claim().await;
        note(report, "claim");
        let start = JobEvent::Start {
            agent_id: agent(),
            attempt: 1,
        };
        self.change("start", &id, &start, NOW).await;
        note(report, "start");
        self.change("complete", &id, &complete(1, 0), NOW).await;
        note(report, "complete");
        report.units("write units: a whole life", self.written() - begun);

        let id = self.enqueue().await;
        self.change(
            "reprioritise",
            &id,
            &JobEvent::Reprioritise {
                priority: Priority::Low,
            },
            NOW,
        )
        .await;
        note(report, "enqueue and reprioritise");
        self.claim().await;
        note(report, "claim, again");
        self.change("complete", &id, &complete(1, 1), NOW).await;
        note(report, "complete, to be retried");
        self.change("cancel", &id, &JobEvent::Cancel, NOW).await;
        note(report, "cancel, queued");
        self.change("retry", &id, &JobEvent::Retry, NOW).await;
        note(report, "retry by hand");
        self.claim().await;
        note(report, "claim of a retried job");
        self.change("complete", &id, &complete(2, 0), NOW).await;
        note(report, "complete of a retried job, not started");
    }

    /// The latency and the read units of claims with that many jobs in line.
    async fn claims(&self, report: &mut Report, depth: usize) {
        let before = self.store.meter().snapshot()["claim_job"].read_units;
        let mut samples = Vec::new();
        for _ in 0..SAMPLES {
            let begun = Instant::now();
            let job = self.claim().await;
            samples.push(begun.elapsed());
            self.change("complete", &job.job_id, &complete(job.attempt, 0), NOW)
                .await;
            self.enqueue().await;
        }
        let read = self.store.meter().snapshot()["claim_job"].read_units - before;
        report.latency(&format!("claim at depth {depth}, in process"), samples);
        report.units(
            &format!("read units of a claim at depth {depth}"),
            read / SAMPLES as f64,
        );
    }
}

fn complete(attempt: u32, exit_code: i32) -> JobEvent {
    JobEvent::Complete {
        agent_id: agent(),
        attempt,
        exit_code,
        duration_seconds: 1.0,
        cause: None,
        logs_url: None,
    }
}

fn pool() -> PoolName {
    "default".parse().unwrap()
}

fn agent() -> AgentId {
    AgentId::from_digest([7; 16])
}
