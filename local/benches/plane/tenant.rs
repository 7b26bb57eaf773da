//! One tenant of a store in this process, and what can happen in it. The time is an argument.

use domain::Timestamp;
use domain::agent::{Agent, Event, Introduction, Metrics};
use domain::job::{Holder, Job, JobEvent, JobSpec};
use embedded_dynamodb::Engine;
use std::cell::Cell;
use store::{
    AgentOutcome, ClaimOrder, ClaimWish, Enqueued, JobOutcome, KeyId, NewAgentKey, NewJob, Proof,
    Registration, SessionKey, Store, Tables, TenantScope, TenantStore, WriteId,
};
use wire::audit::{Action, Detail, Draft, Outcome, digest_of};
use wire::{AgentId, JobId, PoolName, Priority};

/// When everything begins.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) struct Tenant {
    pub(crate) store: Store,
    scope: TenantScope,
    next: Cell<u64>,
}

impl Tenant {
    pub(crate) async fn new(engine: &Engine) -> Self {
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
        let key = NewAgentKey {
            key_id: agent_key(),
            secret_sha256: [1; 32],
            name: "bench".to_owned(),
            pool: pool(),
            created_by: "bench".to_owned(),
            expires_at: None,
        };
        let created = store.tenant(&scope).create_agent_key(&key, NOW).await;
        created.unwrap();
        Self {
            store,
            scope,
            next: Cell::new(1),
        }
    }

    pub(crate) fn tenant(&self) -> TenantStore<'_> {
        self.store.tenant(&self.scope)
    }

    pub(crate) fn random(&self) -> [u8; 8] {
        let number = self.next.get();
        self.next.set(number + 1);
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()
    }

    pub(crate) fn write_id(&self) -> WriteId {
        WriteId::new(self.random())
    }

    fn id_bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.random());
        bytes
    }

    pub(crate) async fn enqueue(&self, now: Timestamp) -> JobId {
        self.add_job(JobId::new(now, self.id_bytes()), None, now)
            .await
    }

    /// Enqueues with an idempotency key.
    pub(crate) async fn enqueue_with_key(&self, key: &str, now: Timestamp) -> JobId {
        let id = NewJob::id_for_key(self.scope.tenant(), key);
        self.add_job(id, Some([1; 32]), now).await
    }

    async fn add_job(&self, id: JobId, request_sha256: Option<[u8; 32]>, now: Timestamp) -> JobId {
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
        let new = NewJob {
            job: Job::enqueue(id.clone(), spec, Priority::Normal, "bench".to_owned(), now),
            ready_shards: 1,
            request_sha256,
            origin: None,
        };
        let enqueued = self.tenant().enqueue_job(new, now, &self.write_id()).await;
        assert!(matches!(enqueued.unwrap(), Enqueued::Created(_)));
        id
    }

    pub(crate) async fn claim(&self, agent_id: &AgentId, now: Timestamp) -> Job {
        let holder = Holder {
            agent_id: agent_id.clone(),
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
        let claimed = self.tenant().claim_jobs(&wish, now, || self.random()).await;
        claimed.unwrap().jobs.remove(0)
    }

    pub(crate) async fn change(
        &self,
        operation: &'static str,
        job: &JobId,
        event: &JobEvent,
        now: Timestamp,
    ) {
        let write_id = self.write_id();
        let tenant = self.tenant();
        let changed = tenant.change_job(operation, job, event, now, &write_id);
        let changed = changed.await.unwrap();
        assert!(matches!(changed, JobOutcome::Changed(_)), "{changed:?}");
    }

    /// What the agent that holds a job reports of it.
    pub(crate) async fn held(
        &self,
        operation: &'static str,
        job: &Job,
        event: &JobEvent,
        now: Timestamp,
    ) {
        let (tenant, write_id) = (self.tenant(), self.write_id());
        let agent_id = unregistered();
        let reported = (&job.job_id, event);
        let changed = tenant.change_held_job(operation, &agent_id, reported, now, &write_id);
        assert!(changed.await.unwrap().is_some(), "the agent holds the job");
    }

    /// An agent joins the pool, as its registration writes it: with its session.
    pub(crate) async fn register(&self, now: Timestamp) -> AgentId {
        let introduction = Introduction {
            pool_name: pool(),
            version: "0.1.0".parse().unwrap(),
            hostname: Some("build-1.example.com".parse().unwrap()),
            os: Some("linux".parse().unwrap()),
            arch: Some("x86_64".parse().unwrap()),
            tags: wire::Tags::default(),
            max_concurrent_jobs: 1,
        };
        let agent = Agent::register(AgentId::new(now, self.id_bytes()), introduction, now);
        let mut secret_sha256 = [2; 32];
        secret_sha256[..8].copy_from_slice(&self.random());
        let session = SessionKey {
            parent: agent_key(),
            secret_sha256,
        };
        let (tenant, write_id) = (self.tenant(), self.write_id());
        let draft = Draft {
            at: now,
            actor: format!("key:{}", session.parent),
            credential_id: Some(session.parent.to_string()),
            action: Action::AgentRegister.as_str().to_owned(),
            resource: format!("agent:{}", agent.agent_id),
            outcome: Outcome::Done,
            before_sha256: None,
            after_sha256: digest_of(&agent.hostname),
            request_id: Some("0f6b8a1e-7c55-4a8e-9f0b-0a3c5d8e7f10".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            detail: Detail::new(),
        };
        let registration = Registration {
            agent: &agent,
            session: &session,
            session_expires_at: now.plus_seconds(3600),
            proof: &Proof::Key,
            draft: &draft,
        };
        let registered = tenant.register_agent(&registration, &write_id).await;
        assert!(registered.unwrap(), "the key is good");
        agent.agent_id
    }

    pub(crate) async fn heartbeat(&self, agent_id: &AgentId, now: Timestamp) {
        let metrics = Metrics {
            cpu_percent: 12.5,
            memory_percent: 40.0,
            disk_percent: 60.0,
            uptime_seconds: now.millis_since(NOW).unsigned_abs() / 1000,
        };
        self.change_agent("heartbeat", agent_id, &Event::Heartbeat(metrics), now)
            .await;
    }

    pub(crate) async fn change_agent(
        &self,
        operation: &'static str,
        agent_id: &AgentId,
        event: &Event,
        now: Timestamp,
    ) {
        let write_id = self.write_id();
        let tenant = self.tenant();
        let changed = tenant.change_agent(operation, agent_id, event, now, &write_id);
        let changed = changed.await.unwrap();
        assert!(matches!(changed, AgentOutcome::Changed(_)), "{changed:?}");
    }
}

pub(crate) fn start(agent_id: &AgentId, attempt: u32) -> JobEvent {
    JobEvent::Start {
        agent_id: agent_id.clone(),
        attempt,
    }
}

pub(crate) fn complete(agent_id: &AgentId, attempt: u32, exit_code: i32) -> JobEvent {
    JobEvent::Complete {
        agent_id: agent_id.clone(),
        attempt,
        exit_code,
        duration_seconds: 1.0,
        cause: None,
        logs_url: None,
    }
}

pub(crate) fn pool() -> PoolName {
    PoolName::default_pool()
}

/// What agents register with.
fn agent_key() -> KeyId {
    KeyId::new([1; 12])
}

/// An agent that is only named: nobody sweeps it.
pub(crate) fn unregistered() -> AgentId {
    AgentId::from_digest([7; 16])
}
