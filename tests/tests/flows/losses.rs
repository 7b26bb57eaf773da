//! Agents that are lost in the middle of a job.

use crate::ends::{endless, gone, processes};
use crate::harness::{
    Agent, LOSS_FOUND, LOSS_MADE_GOOD, Plane, Repo, SOON, Scripted, never, until, with,
};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::{Cause, JobStatus};

/// How much later than promised a busy machine may be.
const MARGIN: Duration = Duration::from_secs(3);

/// A repository whose job goes on for ever at its first attempt, and ends at once at any other.
fn only_the_first_attempt_hangs(pids: &Path) -> Repo {
    let hang = endless(pids);
    Repo::with_script(&format!(
        "if test $HYBRID_CI_ATTEMPT = 1; then {hang}; fi; echo done"
    ))
}

#[tokio::test]
async fn the_job_of_a_killed_agent_is_run_by_another_and_the_old_ones_report_refused() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = only_the_first_attempt_hangs(&pids);

    // Two agents are lost: one is a real one, the other can be made to speak again.
    let silent = Scripted::register(&plane).await;
    let scripted_id = api.enqueue(&repo.request()).await.job_id;
    let held = silent.claim_one().await;
    silent.start(&held).await;
    let mut killed = Agent::start(&plane, "killed").await;
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let processes = processes(&pids).await;

    killed.kill();
    let lost_at = Instant::now();
    gone(&processes).await;
    let lost = api
        .wait_until(&id, "in line again", LOSS_FOUND + MARGIN, |job| {
            job.status == JobStatus::Queued
        })
        .await;
    let found_after = lost_at.elapsed();
    eprintln!("the loss was found after {found_after:?}");
    // This is what is promised, and so without a margin: the agent was last heard of before it was killed.
    assert!(found_after <= LOSS_FOUND, "found after {found_after:?}");
    assert_eq!((lost.attempt, lost.losses, lost.failures), (1, 1, 0));
    assert_eq!(lost.cause, Some(Cause::AgentLost));
    assert_eq!(lost.available_at, lost.queued_at, "its old place in line");

    let other = Agent::start(&plane, "other").await;
    let other_id = other.id(&plane).await;
    for id in [&id, &scripted_id] {
        let job = api.wait_for(id, JobStatus::Completed, LOSS_MADE_GOOD).await;
        assert_eq!((job.attempt, job.losses, job.failures), (2, 1, 0));
        assert_eq!(job.claimed_by_agent.as_ref(), Some(&other_id));
        let attempts = api.attempts(id).await;
        assert_eq!(attempts[0]["cause"], "AGENT_LOST");
        assert_eq!(attempts.len(), 2);
    }

    let before = api.job(&scripted_id).await;
    let late = silent.report(&scripted_id, 1, 1).await;
    assert_eq!((late.status, late.code()), (409, "stale_attempt"));
    let forged = silent.report(&scripted_id, 2, 1).await;
    assert_eq!(forged.status, 409);
    assert_eq!(api.job(&scripted_id).await, before);
    let told = silent.heartbeat(&[&held]).await;
    assert_eq!(told.dropped.len(), 1, "it is told that the job is not its");
    other.drain().await;
}

#[tokio::test]
async fn a_frozen_agent_that_wakes_up_too_late_stops_its_job_and_reports_nothing() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = only_the_first_attempt_hangs(&pids);
    let frozen = Agent::start(&plane, "frozen").await;
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let processes = processes(&pids).await;

    frozen.freeze();
    let other = Agent::start(&plane, "other").await;
    let done = api
        .wait_for(&id, JobStatus::Completed, LOSS_MADE_GOOD)
        .await;
    assert_eq!((done.attempt, done.losses), (2, 1));
    assert_eq!(done.claimed_by_agent, Some(other.id(&plane).await));
    other.drain().await;

    frozen.thaw();
    gone(&processes).await;
    // It goes on with a new session.
    let next = api.enqueue(&repo_of_one_line(&repo)).await.job_id;
    let job = api.wait_for(&next, JobStatus::Completed, SOON).await;
    assert_eq!(job.claimed_by_agent, Some(frozen.id(&plane).await));
    assert_eq!(api.job(&id).await, done);
    assert_eq!(api.attempts(&id).await.len(), 2);
    assert!(frozen.outbox().is_empty());
    frozen.drain().await;
}

/// The job of a second commit, which only says something.
fn repo_of_one_line(repo: &Repo) -> serde_json::Value {
    let spec = crate::harness::spec(&[("build", "echo hello")]);
    repo.commit(&[(".hybrid-ci.yml", &spec)]);
    repo.request()
}

#[tokio::test]
async fn the_jobs_of_an_agent_that_is_alive_stay_with_it_beyond_its_first_lease() {
    let plane = Plane::start().await;
    let api = plane.api();
    let pids = plane.directory().join("pids");
    let repo = only_the_first_attempt_hangs(&pids);
    let _agent = Agent::start(&plane, "agent").await;
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let idle = Agent::start(&plane, "idle").await;
    let lost = async || {
        let job = api.job(&id).await;
        (job.status != JobStatus::Running || job.attempt != 1).then_some(job)
    };
    never("a job was lost", LOSS_FOUND + MARGIN, lost).await;
    idle.drain().await;
}

#[tokio::test]
async fn a_job_claimed_and_not_started_goes_back_and_its_late_finish_counts_until_the_next_claim() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let slow = Scripted::register(&plane).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(api.enqueue(&repo.request()).await.job_id);
    }
    let held = slow.claim(2).await;
    assert_eq!(held.len(), 2);
    let begun = Instant::now();
    // It is alive all the while, and still has 30 s and no more to start.
    until(
        "both jobs to be in line again",
        LOSS_FOUND + MARGIN,
        async || {
            slow.heartbeat(&held.iter().collect::<Vec<_>>()).await;
            let first = api.job(&ids[0]).await;
            let second = api.job(&ids[1]).await;
            let back = first.status == JobStatus::Queued && second.status == JobStatus::Queued;
            back.then_some(())
        },
    )
    .await;
    assert!(
        begun.elapsed() > Duration::from_secs(28),
        "{:?}",
        begun.elapsed()
    );
    let job = api.job(&ids[0]).await;
    assert_eq!(job.cause, Some(Cause::NotStarted));
    assert_eq!((job.losses, job.failures), (1, 0));

    // Nobody has it: what the first attempt came to is as good as what a second would come to.
    let done = slow.complete(&held[0], 0).await;
    assert_eq!(
        (done.job.status, done.retried),
        (JobStatus::Completed, false)
    );
    assert_eq!(slow.complete(&held[0], 0).await.job, done.job);
    let other = Scripted::register(&plane).await;
    let again = other.claim_one().await;
    assert_eq!((&again.job_id, again.attempt), (&held[1].job_id, 2));
    let refused = slow.report(&held[1].job_id, 1, 0).await;
    assert_eq!((refused.status, refused.code()), (409, "stale_attempt"));
    let wrong = slow
        .api
        .patch(
            &format!("/api/queue/jobs/{}/start", held[1].job_id),
            &json!({ "attempt": 2 }),
        )
        .await;
    assert_eq!(wrong.status, 409);
    other.start(&again).await;
    other.complete(&again, 0).await;
    assert_eq!(api.job(&ids[1]).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_job_that_its_agent_lets_run_on_is_timed_out_by_the_control_plane() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let careless = Scripted::register(&plane).await;
    let limits = json!({ "timeout_seconds": 1, "max_attempts": 1 });
    let id = api.enqueue(&with(repo.request(), &limits)).await.job_id;
    let held = careless.claim_one().await;
    careless.start(&held).await;
    // Its agent had a grace of 30 s to stop it by itself.
    let job = until("the job to time out", LOSS_FOUND + MARGIN, async || {
        careless.heartbeat(&[&held]).await;
        let job = api.job(&id).await;
        job.status.is_ended().then_some(job)
    })
    .await;
    assert_eq!(
        (job.status, job.cause),
        (JobStatus::Failed, Some(Cause::Timeout))
    );
    assert_eq!((job.failures, job.losses), (1, 0));
    assert_eq!(careless.heartbeat(&[&held]).await.dropped.len(), 1);
    assert_eq!(careless.report(&id, 1, 0).await.status, 409);
}

#[tokio::test]
async fn an_agent_cut_off_stops_its_job_before_its_lease_ends_and_runs_it_again_when_it_may() {
    const LEASE: Duration = Duration::from_secs(30);
    let mut plane = Plane::start().await;
    let pids = plane.directory().join("pids");
    let repo = only_the_first_attempt_hangs(&pids);
    let agent = Agent::start(&plane, "agent").await;
    let api = plane.api();
    let id = api.enqueue(&repo.request()).await.job_id;
    api.wait_for(&id, JobStatus::Running, SOON).await;
    let processes = processes(&pids).await;

    plane.kill();
    let begun = Instant::now();
    gone(&processes).await;
    assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
    plane.start_again().await;

    let api = plane.api();
    let job = api
        .wait_for(&id, JobStatus::Completed, LOSS_MADE_GOOD)
        .await;
    assert_eq!((job.attempt, job.losses, job.failures), (2, 1, 0));
    assert_eq!(api.attempts(&id).await[0]["cause"], "AGENT_LOST");
    agent.drain().await;
}
