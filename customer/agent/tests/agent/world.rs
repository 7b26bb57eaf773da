//! A control plane, an agent, and ways to wait for what they do.

use crate::plane::{KEY, Plane, Shared, at, plane, serve};
use hybrid_agent::{Config, Error, Event, Exit, ShutdownHandle, run, shutdown};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use wire::{
    Cause, CommitSha, CompleteRequest, GitRepo, Job, JobId, JobStatus, JobType, PoolName, Priority,
    Tags, Timestamp,
};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) plane: Shared,
    pub(crate) address: SocketAddr,
    pub(crate) server: JoinHandle<()>,
    pub(crate) directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let plane = plane();
        let (address, server) = serve(plane.clone(), "127.0.0.1:0".parse().unwrap()).await;
        Self {
            plane,
            address,
            server,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn plane(&self) -> std::sync::MutexGuard<'_, Plane> {
        at(&self.plane)
    }

    pub(crate) fn config(&self) -> Config {
        let pool = PoolName::parse("default").unwrap();
        let mut config = Config::new(
            format!("http://{}", self.address),
            pool,
            KEY.into(),
            self.directory.path(),
        );
        config.stop_grace = Duration::from_millis(300);
        config
    }

    pub(crate) fn agent(&self) -> Agent {
        Agent::start(self.config())
    }

    /// Puts a job of type `build` in the queue.
    pub(crate) fn enqueue(&self, repo: &GitRepo, sha: &CommitSha) -> JobId {
        self.enqueue_with(repo, sha, |_| {})
    }

    pub(crate) fn enqueue_with(
        &self,
        repo: &GitRepo,
        sha: &CommitSha,
        change: impl FnOnce(&mut Job),
    ) -> JobId {
        let mut job = job(repo, sha);
        change(&mut job);
        let id = job.job_id.clone();
        self.plane().waiting.push_back(job);
        id
    }

    /// Waits until that job's result has reached the control plane.
    pub(crate) async fn result(&self, job: &JobId) -> CompleteRequest {
        let find = |plane: &Plane| {
            plane
                .completions
                .iter()
                .find(|(id, _, _)| id == job)
                .map(|(_, result, _)| result.clone())
        };
        self.until("a result", find).await
    }

    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&Plane) -> Option<T>) -> T {
        let found = in_time(|| find(&self.plane())).await;
        found.unwrap_or_else(|| panic!("waited in vain for {what}; the logs:\n{}", self.logs()))
    }

    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.directory.path().join("logs"))
            .into_iter()
            .flatten();
        files
            .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok())
            .collect()
    }

    pub(crate) fn log(&self, job: &JobId) -> String {
        std::fs::read_to_string(self.directory.path().join(format!("logs/{job}-1.log"))).unwrap()
    }

    /// Runs one job from beginning to end: its result and its log.
    pub(crate) async fn run_one(
        &self,
        repo: &GitRepo,
        sha: &CommitSha,
        job_type: &str,
    ) -> (CompleteRequest, String) {
        let job_type = JobType::parse(job_type).unwrap();
        let id = self.enqueue_with(repo, sha, |job| job.job_type = job_type);
        let agent = self.agent();
        let result = self.result(&id).await;
        assert_eq!(agent.drain().await, Exit::Drained);
        (result, self.log(&id))
    }

    pub(crate) fn outbox(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.directory.path().join("state/outbox")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

pub(crate) async fn until<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let found = in_time(find).await;
    found.unwrap_or_else(|| panic!("waited in vain for {what}"))
}

async fn in_time<T>(find: impl Fn() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = find();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn ended(exit_code: i32, cause: Option<Cause>) -> impl Fn(&CompleteRequest) -> bool {
    move |result| result.exit_code == exit_code && result.cause == cause
}

fn job(repo: &GitRepo, sha: &CommitSha) -> Job {
    static NUMBER: AtomicU8 = AtomicU8::new(0);
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut random = [7; 10];
    random[9] = NUMBER.fetch_add(1, Ordering::Relaxed);
    Job {
        job_id: JobId::new(now, random),
        job_type: JobType::parse("build").unwrap(),
        pool_name: PoolName::parse("default").unwrap(),
        status: JobStatus::Claimed,
        priority: Priority::Normal,
        git_repo: repo.clone(),
        git_ref: None,
        git_commit_sha: sha.clone(),
        git_author: None,
        tags: Tags::new(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts: 1,
        attempt: 1,
        failures: 0,
        losses: 0,
        queued_at: now,
        available_at: now,
        claimed_at: Some(now),
        started_at: None,
        completed_at: None,
        claimed_by_agent: None,
        lease_expires_at: None,
        exit_code: None,
        duration_seconds: None,
        cause: None,
        logs_url: None,
        cancel_requested: false,
        created_by: "test".to_owned(),
    }
}

pub(crate) struct Agent {
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) task: JoinHandle<Result<Exit, Error>>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Agent {
    pub(crate) fn start(config: Config) -> Self {
        let (handle, shutdown) = shutdown();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let observer = move |event: &Event| seen.lock().unwrap().push(event.clone());
        let task = tokio::spawn(run(config, shutdown, observer));
        Self {
            shutdown: handle,
            task,
            events,
        }
    }

    pub(crate) async fn drain(self) -> Exit {
        self.shutdown.drain();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn fails(self) -> Error {
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap_err()
    }

    pub(crate) async fn sees<T>(&self, what: &str, find: impl Fn(&Event) -> Option<T>) -> T {
        until(what, || self.events.lock().unwrap().iter().find_map(&find)).await
    }
}
