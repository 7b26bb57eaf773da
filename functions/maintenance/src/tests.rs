//! Maintenance on the embedded engine, with a clock that stands still or tells tokio's time.

mod audit;
mod metrics;
mod rounds;

use super::*;
use domain::agent::{Agent, Introduction};
use domain::job::{Holder, Job, JobEvent, JobSpec};
use embedded_dynamodb::Engine;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use store::{ClaimOrder, ClaimWish, NewJob, Tables, TenantScope, WriteId};
use wire::{AgentId, JobId, JobStatus, PoolName, Priority, TenantId};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct World {
    engine: Engine,
    store: Store,
    scope: TenantScope,
    clock: Arc<AtomicI64>,
}

fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}

fn id_bytes() -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&random());
    bytes
}

fn pool() -> PoolName {
    PoolName::default_pool()
}

impl World {
    async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(
            engine.client(),
            Tables::default(),
            telemetry::Meter::default(),
        );
        store.create_tables().await.unwrap();
        let tenant = TenantId::parse("acme").unwrap();
        let scope = store.create_tenant(&tenant, NOW).await.unwrap();
        store
            .tenant(&scope)
            .ensure_pool(&pool(), NOW, &WriteId::new(random()))
            .await
            .unwrap();
        Self {
            engine,
            store,
            scope,
            clock: Arc::new(AtomicI64::new(NOW.as_millis())),
        }
    }

    fn store_of_another_process(&self) -> Store {
        let client = self.engine.client();
        Store::new(client, Tables::default(), telemetry::Meter::default())
    }

    fn maintenance(&self) -> Maintenance {
        let clock = Arc::clone(&self.clock);
        let now = move || Timestamp::from_millis(clock.load(Ordering::SeqCst));
        Maintenance::new(self.store.clone(), Arc::new(now), Arc::new(random))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn agent(&self) -> AgentId {
        let now = self.now();
        let id = AgentId::new(now, id_bytes());
        let introduction = Introduction {
            pool_name: pool(),
            version: "0.1.0".parse().unwrap(),
            hostname: None,
            os: None,
            arch: None,
            tags: wire::Tags::new(),
            max_concurrent_jobs: 1,
        };
        let agent = Agent::register(id.clone(), introduction, now);
        let tenant = self.store.tenant(&self.scope);
        tenant
            .add_agent(&agent, &WriteId::new(random()))
            .await
            .unwrap();
        id
    }

    async fn enqueue(&self) -> JobId {
        let now = self.now();
        let spec = JobSpec {
            job_type: "build".parse().unwrap(),
            pool_name: pool(),
            git_repo: "https://git.example.com/a".parse().unwrap(),
            git_ref: None,
            git_commit_sha: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap(),
            git_author: None,
            tags: wire::Tags::new(),
            spec_ref: None,
            spec_sha256: None,
            timeout_seconds: 60,
            max_attempts: 3,
        };
        let id = JobId::new(now, id_bytes());
        let job = Job::enqueue(id.clone(), spec, Priority::Normal, "test".to_owned(), now);
        let new = NewJob {
            job,
            ready_shards: 1,
            request_sha256: None,
            origin: None,
        };
        let tenant = self.store.tenant(&self.scope);
        tenant
            .enqueue_job(new, now, &WriteId::new(random()))
            .await
            .unwrap();
        id
    }

    /// Has the agent claim jobs and start them.
    async fn hold(&self, agent: &AgentId, count: usize) -> Vec<JobId> {
        let tenant = self.store.tenant(&self.scope);
        let holder = Holder {
            agent_id: agent.clone(),
            epoch: 1,
        };
        let wish = ClaimWish {
            pool: &pool(),
            ready_shards: 1,
            holder: &holder,
            max_jobs: count,
            order: &ClaimOrder::default(),
        };
        let claimed = tenant.claim_jobs(&wish, self.now(), random).await.unwrap();
        for job in &claimed.jobs {
            let event = JobEvent::Start {
                agent_id: agent.clone(),
                attempt: job.attempt,
            };
            self.change(&job.job_id, &event).await;
        }
        claimed.jobs.into_iter().map(|job| job.job_id).collect()
    }

    async fn change(&self, id: &JobId, event: &JobEvent) {
        let tenant = self.store.tenant(&self.scope);
        tenant
            .change_job("test", id, event, self.now(), &WriteId::new(random()))
            .await
            .unwrap();
    }

    async fn job(&self, id: &JobId) -> Job {
        let tenant = self.store.tenant(&self.scope);
        tenant.job(id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn two_at_once_give_back_every_job_of_a_lost_agent_once() {
    let world = World::new().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let agent = world.agent().await;
        for _ in 0..8 {
            world.enqueue().await;
        }
        held.extend(world.hold(&agent, 8).await);
    }
    assert_eq!(held.len(), 40);
    let (one, two) = (world.maintenance(), world.maintenance());
    world.advance(29);
    assert_eq!(one.sweep_pass().await.requeued, 0);
    world.advance(1);
    let (first, second) = futures_util::future::join(one.sweep_pass(), two.sweep_pass()).await;
    assert_eq!(first.requeued + second.requeued, 40);
    assert_eq!(first.lost_agents + second.lost_agents, 5);
    assert_eq!(first.errors + second.errors, 0);
    for id in &held {
        let job = world.job(id).await;
        assert_eq!(
            (job.status(), job.losses, job.attempt),
            (JobStatus::Queued, 1, 1)
        );
    }
    world.advance(60);
    assert_eq!(one.sweep_pass().await.requeued, 0);
}

#[tokio::test]
async fn a_loss_is_found_within_35_seconds_and_a_live_agent_keeps_its_job() {
    let world = World::new().await;
    let maintenance = world.maintenance();
    let (silent, live) = (world.agent().await, world.agent().await);
    let metrics = domain::agent::Metrics {
        cpu_percent: 100.0,
        memory_percent: 1.0,
        disk_percent: 1.0,
        uptime_seconds: 1,
    };
    world.enqueue().await;
    let lost = world.hold(&silent, 1).await.remove(0);
    world.enqueue().await;
    let kept = world.hold(&live, 1).await.remove(0);
    let mut found_after = None;
    for second in 1..=50 {
        world.advance(1);
        if second % 10 == 0 {
            let event = domain::agent::Event::Heartbeat(metrics);
            let tenant = world.store.tenant(&world.scope);
            tenant
                .change_agent("test", &live, &event, world.now(), &WriteId::new(random()))
                .await
                .unwrap();
        }
        // As often as `run` does.
        if second % 2 == 1 {
            maintenance.sweep_pass().await;
        }
        if found_after.is_none() && world.job(&lost).await.status() == JobStatus::Queued {
            found_after = Some(second);
        }
    }
    assert!(found_after.unwrap() <= 35, "{found_after:?}");
    assert!(found_after.unwrap() >= 30, "{found_after:?}");
    assert_eq!(world.job(&kept).await.status(), JobStatus::Running);
}

#[tokio::test]
async fn what_was_not_started_goes_back_and_what_runs_too_long_is_timed_out() {
    let world = World::new().await;
    let maintenance = world.maintenance();
    let agent = world.agent().await;
    world.enqueue().await;
    let running = world.hold(&agent, 1).await.remove(0);
    // 60 s and 30 s of grace; a live agent would have stopped it.
    for (seconds, status) in [(89, JobStatus::Running), (1, JobStatus::Queued)] {
        for _ in 0..seconds {
            world.advance(1);
        }
        let event = domain::agent::Event::Heartbeat(domain::agent::Metrics {
            cpu_percent: 1.0,
            memory_percent: 1.0,
            disk_percent: 1.0,
            uptime_seconds: 1,
        });
        let tenant = world.store.tenant(&world.scope);
        tenant
            .change_agent("test", &agent, &event, world.now(), &WriteId::new(random()))
            .await
            .unwrap();
        maintenance.sweep_pass().await;
        assert_eq!(world.job(&running).await.status(), status);
    }
    let job = world.job(&running).await;
    assert_eq!((job.failures, job.losses), (1, 0));
}

#[tokio::test]
async fn a_roll_up_counts_every_tenant_and_promotes_what_is_due() {
    let world = World::new().await;
    let maintenance = world.maintenance();
    let agent = world.agent().await;
    for _ in 0..3 {
        world.enqueue().await;
    }
    let id = world.hold(&agent, 1).await.remove(0);
    let fail = JobEvent::Complete {
        agent_id: agent.clone(),
        attempt: 1,
        exit_code: 1,
        duration_seconds: 1.0,
        cause: None,
        logs_url: None,
    };
    world.change(&id, &fail).await;
    let report = maintenance.roll_up_pass().await;
    assert_eq!(
        (report.tenants, report.pools, report.promoted, report.errors),
        (1, 1, 0, 0)
    );
    world.advance(6);
    assert_eq!(maintenance.roll_up_pass().await.promoted, 1);
    let tenant = world.store.tenant(&world.scope);
    let statistics = tenant.statistics(None, world.now()).await.unwrap();
    assert_eq!(statistics.queued, 3);
    assert_eq!(statistics.as_of, world.now());
    assert_eq!(
        (statistics.agents.healthy, statistics.agents.total()),
        (1, 1)
    );
    let pool = tenant.pool(&pool()).await.unwrap().unwrap();
    assert_eq!(pool.desired_agents, 3, "one agent for each job that waits");
}

/// Time passes as fast as the passes are over.
#[tokio::test(start_paused = true)]
async fn an_invocation_sweeps_every_two_seconds_until_shortly_before_its_deadline() {
    let world = World::new().await;
    let began = tokio::time::Instant::now();
    let passed = move || i64::try_from(began.elapsed().as_millis()).unwrap();
    let now = move || NOW.plus_millis(passed());
    let maintenance = Maintenance::new(world.store.clone(), Arc::new(now), Arc::new(random));
    let event: Event =
        serde_json::from_str(include_str!("../../../events/maintenance-scheduled.json")).unwrap();
    let summary = handle_one(event.clone(), &maintenance, NOW.plus_seconds(900)).await;
    assert_eq!((summary.sweeps.passes, summary.roll_ups.passes), (33, 3));
    assert_eq!(summary.sweeps.errors + summary.roll_ups.errors, 0);
    assert!(passed() <= 65_000);
    let again = now();
    let summary = handle_one(event.clone(), &maintenance, again.plus_seconds(15)).await;
    assert_eq!((summary.sweeps.passes, summary.roll_ups.passes), (5, 1));
    let late = handle_one(event, &maintenance, now().plus_seconds(5)).await;
    assert_eq!(late, Summary::default());
}
