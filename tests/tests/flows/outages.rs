//! A control plane that is away when a job ends.

use crate::harness::{Agent, Plane, Repo, SOON, until};
use std::fs;
use std::path::PathBuf;
use wire::{JobId, JobStatus};

/// A job that runs until the test lets it end.
struct Held {
    id: JobId,
    gate: PathBuf,
    _repo: Repo,
}

async fn running_job(plane: &Plane) -> Held {
    let gate = plane.directory().join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.05; done", gate.display());
    let repo = Repo::with_script(&format!("{wait}; echo finished"));
    let api = plane.api();
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    Held {
        id,
        gate,
        _repo: repo,
    }
}

impl Held {
    /// Lets it end, and waits until its agent has put the result down.
    async fn end(&self, agent: &Agent) {
        fs::write(&self.gate, "").unwrap();
        until("a result in the outbox", SOON, async || {
            (!agent.outbox().is_empty()).then_some(())
        })
        .await;
        assert!(agent.log(&self.id, 1).contains("finished"));
    }
}

/// The job has ended once, at its first attempt.
async fn delivered(plane: &Plane, job: &Held) {
    let api = plane.api();
    let ended = api.wait_for(&job.id, JobStatus::Completed, SOON).await;
    assert_eq!((ended.attempt, ended.losses, ended.failures), (1, 0, 0));
    assert_eq!(ended.exit_code, Some(0));
    assert_eq!(api.attempts(&job.id).await.len(), 1);
}

#[tokio::test]
async fn a_result_is_delivered_after_an_outage_of_the_control_plane() {
    let mut plane = Plane::start().await;
    let agent = Agent::start(&plane, "agent").await;
    let job = running_job(&plane).await;

    plane.kill();
    job.end(&agent).await;
    plane.start_again().await;

    delivered(&plane, &job).await;
    until("the outbox to be empty", SOON, async || {
        agent.outbox().is_empty().then_some(())
    })
    .await;
    agent.drain().await;
}

#[tokio::test]
async fn a_result_is_delivered_after_both_sides_were_started_again() {
    let mut plane = Plane::start().await;
    let mut agent = Agent::start(&plane, "agent").await;
    let job = running_job(&plane).await;

    plane.kill();
    job.end(&agent).await;
    agent.kill();
    plane.start_again().await;
    let api = plane.api();
    assert_eq!(api.job(&job.id).await.status, JobStatus::Running);
    let agent = Agent::start(&plane, "agent").await;

    delivered(&plane, &job).await;
    until("the outbox to be empty", SOON, async || {
        agent.outbox().is_empty().then_some(())
    })
    .await;
    agent.drain().await;
}
