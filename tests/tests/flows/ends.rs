//! Jobs that are ended before they end by themselves, and agents that are to end.

use crate::harness::{Agent, Plane, Repo, SOON, is_alive, never, until, with};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;
use wire::{Cause, JobStatus};

/// A script that writes which processes it consists of, and then goes on for ever.
pub(crate) fn endless(pids: &Path) -> String {
    let pids = pids.display();
    format!("sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; echo begun; wait")
}

/// The processes that such a script has written down, once it has.
pub(crate) async fn processes(pids: &Path) -> Vec<u32> {
    until("the step to begin", SOON, async || {
        let text = fs::read_to_string(pids).ok()?;
        let ids: Vec<_> = text
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        assert!(ids.iter().all(|id| is_alive(*id)), "{ids:?}");
        Some(ids)
    })
    .await
}

/// Waits until all of these processes are gone.
pub(crate) async fn gone(processes: &[u32]) {
    until("the step's processes to be gone", SOON, async || {
        processes.iter().all(|id| !is_alive(*id)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_job_cancelled_in_line_is_never_given_to_an_agent() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let unwanted = api.enqueue(&repo.request()).await.job_id;
    assert_eq!(api.cancel(&unwanted).await.status, JobStatus::Cancelled);
    let wanted = api.enqueue(&repo.request()).await.job_id;

    let agent = Agent::start(&plane, "agent").await;
    api.wait_for(&wanted, JobStatus::Completed, SOON).await;
    let job = api.job(&unwanted).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Cancelled, 0));
    agent.drain().await;
}

#[tokio::test]
async fn a_job_cancelled_while_it_runs_is_stopped_with_all_its_processes() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = Repo::with_script(&endless(&pids));
    let agent = Agent::start(&plane, "agent").await;
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let processes = processes(&pids).await;

    let asked = api.cancel(&id).await;
    assert_eq!(asked.status, JobStatus::Running);
    assert!(asked.cancel_requested);
    let job = api.wait_for(&id, JobStatus::Cancelled, SOON).await;
    assert_eq!((job.cause, job.attempt), (Some(Cause::Cancelled), 1));
    gone(&processes).await;
    agent.drain().await;
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped_by_its_agent() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = Repo::with_script(&endless(&pids));
    let agent = Agent::start(&plane, "agent").await;
    let limits = json!({ "timeout_seconds": 5, "max_attempts": 1 });
    let id = api.enqueue(&with(repo.request(), &limits)).await.job_id;

    let job = api.wait_for(&id, JobStatus::Failed, SOON).await;
    assert_eq!((job.cause, job.attempt), (Some(Cause::Timeout), 1));
    assert_eq!((job.failures, job.losses), (1, 0));
    let processes: Vec<u32> = fs::read_to_string(&pids)
        .unwrap()
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    gone(&processes).await;
    agent.drain().await;
}

#[tokio::test]
async fn an_agent_told_to_drain_finishes_what_it_has_and_is_given_nothing_more() {
    let plane = Plane::start().await;
    let api = plane.api();
    let gate = plane.directory().join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.1; done", gate.display());
    let repo = Repo::with_scripts(&[("build", wait.as_str()), ("quick", "true")]);
    // With room for another job, so that it is not for want of room if it takes none.
    let mut agent = Agent::start_with(&plane, "agent", &["--jobs", "4"]).await;
    let running = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&running, JobStatus::Running, SOON).await;

    let path = format!("/api/agents/{}/status", agent.id(&plane).await);
    let body = api
        .patch(&path, &json!({ "status": "DRAINING" }))
        .await
        .expect(200);
    assert_eq!(body["agent"]["status"], "DRAINING", "{body}");
    let late = api.enqueue(&repo.request_for("quick")).await.job_id;
    let given = async || (api.job(&late).await.attempt > 0).then_some(());
    never("the job was given away", Duration::from_secs(4), given).await;
    fs::write(&gate, "").unwrap();

    api.wait_for(&running, JobStatus::Completed, SOON).await;
    assert_eq!(agent.program.exit_code(SOON).await, 0);
    let job = api.job(&late).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Queued, 0));
    let agents = api.get("/api/agents").await.expect(200);
    assert_eq!(agents["agents"][0]["status"], "TERMINATED", "{agents}");
}

#[tokio::test]
async fn an_agent_asked_to_end_finishes_what_it_has_first() {
    let plane = Plane::start().await;
    let api = plane.api();
    let gate = plane.directory().join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.1; done", gate.display());
    let repo = Repo::with_scripts(&[("build", wait.as_str()), ("quick", "true")]);
    let mut agent = Agent::start_with(&plane, "agent", &["--jobs", "4"]).await;
    let running = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&running, JobStatus::Running, SOON).await;

    agent.program.signal(nix::sys::signal::Signal::SIGTERM);
    until("the agent to say that it drains", SOON, async || {
        let said = agent.program.stdout() + &agent.program.stderr();
        said.to_lowercase().contains("drain").then_some(())
    })
    .await;
    let late = api.enqueue(&repo.request_for("quick")).await.job_id;
    let given = async || (api.job(&late).await.attempt > 0).then_some(());
    never("the job was given away", Duration::from_secs(3), given).await;
    fs::write(&gate, "").unwrap();

    assert_eq!(agent.program.exit_code(SOON).await, 0);
    assert_eq!(api.job(&running).await.status, JobStatus::Completed);
    assert_eq!(api.job(&late).await.status, JobStatus::Queued);
}

#[tokio::test]
async fn an_agent_asked_twice_to_end_stops_its_jobs_and_gives_them_back_at_once() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = Repo::with_script(&endless(&pids));
    let mut agent = Agent::start(&plane, "agent").await;
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let processes = processes(&pids).await;

    agent.program.signal(nix::sys::signal::Signal::SIGTERM);
    until("the agent to say that it drains", SOON, async || {
        let said = agent.program.stdout() + &agent.program.stderr();
        said.to_lowercase().contains("drain").then_some(())
    })
    .await;
    agent.program.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.program.exit_code(SOON).await, 130);
    gone(&processes).await;
    let job = api.job(&id).await;
    assert_eq!((job.status, job.failures), (JobStatus::Queued, 0));
}
