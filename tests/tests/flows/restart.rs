//! A control plane that is started again, with jobs in every state.

use crate::harness::{Agent, LOSS_MADE_GOOD, Plane, Repo, SOON, Scripted, until, with};
use hybrid_local::{AGENT_KEY_FILE, API_TOKEN_FILE, INVITATION_FILE};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use wire::{Cause, Job, JobId, JobStatus};

/// Jobs in every state, by what was done to them.
struct Jobs(BTreeMap<&'static str, JobId>);

impl Jobs {
    async fn make(plane: &Plane, agent: &Scripted, repo: &Repo) -> Self {
        let api = plane.api();
        let mut made = BTreeMap::new();
        let claimed = async |attempts: u32| {
            let request = with(repo.request(), &json!({ "max_attempts": attempts }));
            let id = api.enqueue(&request).await.job_id;
            let job = agent.claim_one().await;
            assert_eq!(job.job_id, id);
            job
        };
        let job = claimed(2).await;
        agent.start(&job).await;
        agent.complete(&job, 1).await;
        made.insert("dead lettered", job.job_id);
        let job = claimed(3).await;
        agent.start(&job).await;
        agent.complete(&job, 0).await;
        made.insert("completed", job.job_id);
        let job = claimed(1).await;
        agent.start(&job).await;
        agent.complete(&job, 7).await;
        made.insert("failed", job.job_id);
        made.insert("claimed", claimed(3).await.job_id);
        let job = claimed(3).await;
        agent.start(&job).await;
        made.insert("running", job.job_id);
        let job = claimed(3).await;
        agent.start(&job).await;
        assert!(api.cancel(&job.job_id).await.cancel_requested);
        made.insert("running and unwanted", job.job_id);
        let id = api.enqueue(&repo.request()).await.job_id;
        api.cancel(&id).await;
        made.insert("cancelled", id);

        // The second failure of the first job, once its pause is over.
        let again = until("the failed job to be in line", SOON, async || {
            agent.claim(1).await.pop()
        })
        .await;
        assert_eq!((&again.job_id, again.attempt), (&made["dead lettered"], 2));
        agent.start(&again).await;
        agent.complete(&again, 1).await;
        let job = claimed(3).await;
        agent.start(&job).await;
        assert!(agent.complete(&job, 1).await.retried);
        made.insert("backing off", job.job_id);
        let id = api.enqueue(&repo.request()).await.job_id;
        made.insert("queued", id);
        Self(made)
    }

    async fn get(&self, plane: &Plane) -> BTreeMap<&'static str, (Job, Vec<Value>)> {
        let api = plane.api();
        let mut found = BTreeMap::new();
        for (name, id) in &self.0 {
            found.insert(*name, (api.job(id).await, api.attempts(id).await));
        }
        found
    }
}

/// The credentials, and who may read them.
fn credentials(plane: &Plane) -> Vec<(String, u32)> {
    [API_TOKEN_FILE, AGENT_KEY_FILE, INVITATION_FILE]
        .map(|name| {
            let path = plane.data().join(name);
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            (fs::read_to_string(&path).unwrap(), mode)
        })
        .to_vec()
}

#[tokio::test]
async fn a_plane_started_again_has_every_job_as_it_was_and_goes_on() {
    let mut plane = Plane::start().await;
    let repo = Repo::with_script("true");
    let agent = Scripted::register(&plane).await;
    let jobs = Jobs::make(&plane, &agent, &repo).await;
    let before = jobs.get(&plane).await;
    let states: BTreeMap<_, _> = before
        .iter()
        .map(|(name, (job, _))| (*name, job.status))
        .collect();
    assert_eq!(
        states,
        BTreeMap::from([
            ("backing off", JobStatus::Queued),
            ("cancelled", JobStatus::Cancelled),
            ("claimed", JobStatus::Claimed),
            ("completed", JobStatus::Completed),
            ("dead lettered", JobStatus::DeadLettered),
            ("failed", JobStatus::Failed),
            ("queued", JobStatus::Queued),
            ("running", JobStatus::Running),
            ("running and unwanted", JobStatus::Running),
        ])
    );
    let credentials_before = credentials(&plane);
    assert!(credentials_before.iter().all(|(_, mode)| *mode == 0o600));

    plane.stop().await;
    plane.start_again().await;

    assert_eq!(jobs.get(&plane).await, before);
    assert_eq!(credentials(&plane), credentials_before);
    // The scripted agent says nothing any more.
    let other = Agent::start(&plane, "other").await;
    let api = plane.api();
    for name in ["queued", "backing off", "claimed", "running"] {
        let id = &jobs.0[name];
        let job = api.wait_for(id, JobStatus::Completed, LOSS_MADE_GOOD).await;
        let was = &before[name].0;
        let lost = was.status != JobStatus::Queued;
        assert_eq!(job.losses, u32::from(lost), "{name}");
        assert_eq!(job.attempt, was.attempt + 1, "{name}");
        assert_eq!(job.claimed_by_agent, Some(other.id(&plane).await));
    }
    let unwanted = &jobs.0["running and unwanted"];
    let job = api
        .wait_for(unwanted, JobStatus::Cancelled, LOSS_MADE_GOOD)
        .await;
    assert_eq!((job.attempt, job.cause), (1, Some(Cause::AgentLost)));
    let after = jobs.get(&plane).await;
    for name in ["cancelled", "completed", "dead lettered", "failed"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    other.drain().await;
}

#[tokio::test]
async fn a_plane_killed_while_jobs_come_in_has_every_job_that_it_accepted() {
    const CALLERS: usize = 8;
    const ENOUGH: usize = 100;
    let mut plane = Plane::start().await;
    let request = Arc::new(Repo::with_script("true").request());
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (api, request) = (plane.api(), Arc::clone(&request));
        let accepted = Arc::clone(&accepted);
        callers.spawn(async move {
            // Until nobody answers any more.
            while let Ok(answer) = api
                .try_call(Method::POST, "/api/queue/jobs", Some(&request))
                .await
            {
                let body = answer.expect(201);
                let id = body["job"]["job_id"].as_str().unwrap().to_owned();
                accepted.lock().unwrap().insert(id);
            }
        });
    }
    until("jobs to be accepted", SOON, async || {
        (accepted.lock().unwrap().len() >= ENOUGH).then_some(())
    })
    .await;
    plane.kill();
    callers.join_all().await;
    plane.start_again().await;

    let kept = plane.api().list("status=QUEUED").await;
    let kept: BTreeSet<_> = kept.iter().map(|job| job.job_id.to_string()).collect();
    let accepted = accepted.lock().unwrap();
    let lost: Vec<_> = accepted.difference(&kept).collect();
    assert!(lost.is_empty(), "of {} lost: {lost:?}", accepted.len());
}
