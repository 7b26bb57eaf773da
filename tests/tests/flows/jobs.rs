//! A job from an API call to its result.

use crate::harness::{Agent, Plane, Repo, SOON, Scripted, spec, with};
use serde_json::json;
use wire::{Cause, JobStatus};

#[tokio::test]
async fn a_job_checks_out_its_own_commit_runs_it_and_is_completed() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::empty();
    let script = "cat greeting.txt\ngit rev-parse HEAD\necho \"attempt $HYBRID_CI_ATTEMPT of $HYBRID_CI_JOB_ID\"";
    let commit = repo.commit(&[
        (".hybrid-ci.yml", &spec(&[("build", script)])),
        ("greeting.txt", "the first commit\n"),
    ]);
    let request = repo.request();
    // What has come after it is not what was asked for.
    repo.commit(&[
        (".hybrid-ci.yml", &spec(&[("build", "exit 9")])),
        ("greeting.txt", "the second commit\n"),
    ]);

    let queued = api.enqueue(&request).await;
    assert_eq!((queued.status, queued.attempt), (JobStatus::Queued, 0));
    let agent = Agent::start(&plane, "agent").await;
    let job = api
        .wait_for(&queued.job_id, JobStatus::Completed, SOON)
        .await;

    assert_eq!((job.exit_code, job.cause), (Some(0), None));
    assert_eq!((job.attempt, job.failures, job.losses), (1, 0, 0));
    assert_eq!(job.claimed_by_agent, Some(agent.id(&plane).await));
    assert!(job.duration_seconds.is_some());
    assert!(job.claimed_at >= Some(job.queued_at) && job.started_at >= job.claimed_at);
    assert!(job.completed_at >= job.started_at);
    let log = agent.log(&job.job_id, 1);
    let last_line = format!("attempt 1 of {}", job.job_id);
    for expected in ["the first commit", &commit, &last_line] {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
    assert!(!log.contains("the second commit"), "{log}");
    let attempts = api.attempts(&job.job_id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["exit_code"], 0);
    assert_eq!(attempts[0]["cause"], json!(null));
    agent.drain().await;
}

#[tokio::test]
async fn a_failing_job_is_retried_after_a_pause_then_dead_lettered_and_revived_by_hand() {
    const BACK_OFF_MILLIS: i64 = 5_000;
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("echo try $HYBRID_CI_ATTEMPT; test $HYBRID_CI_ATTEMPT -ge 3");
    let agent = Agent::start(&plane, "agent").await;
    let request = with(repo.request(), &json!({ "max_attempts": 2 }));
    let id = api.enqueue(&request).await.job_id;

    let waiting = api
        .wait_until(&id, "in line again", SOON, |job| {
            job.failures == 1 && job.status == JobStatus::Queued
        })
        .await;
    assert_eq!(waiting.cause, Some(Cause::ExitCode));
    assert_eq!(waiting.exit_code, Some(1));
    let dead = api.wait_for(&id, JobStatus::DeadLettered, SOON).await;
    assert_eq!((dead.attempt, dead.failures, dead.losses), (2, 2, 0));
    let pause = dead
        .claimed_at
        .unwrap()
        .millis_since(waiting.claimed_at.unwrap());
    assert!(pause >= BACK_OFF_MILLIS, "claimed again after {pause} ms");

    let retry = format!("/api/queue/jobs/{id}/retry");
    let body = api.post(&retry, &json!({})).await.expect(200);
    assert_eq!(body["job"]["status"], "QUEUED");
    let job = api.wait_for(&id, JobStatus::Completed, SOON).await;
    assert_eq!((job.attempt, job.failures), (3, 0));
    assert!(agent.log(&id, 3).contains("try 3"));
    let attempts = api.attempts(&id).await;
    let causes: Vec<_> = attempts.iter().map(|attempt| &attempt["cause"]).collect();
    assert_eq!(
        causes,
        [&json!("EXIT_CODE"), &json!("EXIT_CODE"), &json!(null)]
    );
    api.post(&retry, &json!({})).await.expect(409);
    agent.drain().await;
}

#[tokio::test]
async fn a_job_that_cannot_be_run_fails_with_a_log_that_says_what_to_mend() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let agent = Agent::start(&plane, "agent").await;
    let missing = "0123456789012345678901234567890123456789";
    let once = |fields| with(with(repo.request(), &json!({ "max_attempts": 1 })), &fields);
    let broken = Repo::empty();
    broken.commit(&[(".hybrid-ci.yml", "version: 1\njobs: {build: {stepz: []}}\n")]);
    let cases = [
        (once(json!({ "job_type": "deploy" })), "deploy"),
        (once(json!({ "git_commit_sha": missing })), missing),
        (
            once(json!({ "git_repo": "file:///no/such/repository" })),
            "repository",
        ),
        (
            with(broken.request(), &json!({ "max_attempts": 1 })),
            "stepz",
        ),
    ];
    for (request, named) in cases {
        let id = api.enqueue(&request).await.job_id;
        let job = api.wait_for(&id, JobStatus::Failed, SOON).await;
        assert_eq!(job.cause, Some(Cause::AgentError));
        let log = agent.log(&id, 1);
        assert!(log.contains(named), "{named} is not in\n{log}");
    }
    agent.drain().await;
}

#[tokio::test]
async fn urgent_jobs_overtake_and_equals_keep_their_order() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let mut expected = Vec::new();
    for (priority, place) in [
        ("LOW", 5),
        ("NORMAL", 3),
        ("HIGH", 1),
        ("NORMAL", 4),
        ("CRITICAL", 0),
        ("HIGH", 2),
    ] {
        let request = with(repo.request(), &json!({ "priority": priority }));
        expected.push((place, api.enqueue(&request).await.job_id));
    }
    expected.sort();

    let agent = Agent::start(&plane, "agent").await;
    let mut claimed = Vec::new();
    for (_, id) in &expected {
        let job = api.wait_for(id, JobStatus::Completed, SOON).await;
        claimed.push((job.claimed_at, job.job_id));
    }
    claimed.sort();
    let in_order: Vec<_> = claimed.into_iter().map(|(_, id)| id).collect();
    let wanted: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(in_order, wanted);
    agent.drain().await;
}

#[tokio::test]
async fn a_lower_priority_given_by_hand_lets_others_pass_and_keeps_the_place_in_time() {
    let plane = Plane::start().await;
    let api = plane.api();
    let repo = Repo::with_script("true");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(api.enqueue(&repo.request()).await.job_id);
    }
    let set = async |id, priority| {
        let path = format!("/api/queue/jobs/{id}/priority");
        api.patch(&path, &json!({ "priority": priority }))
            .await
            .expect(200);
    };
    set(&ids[0], "LOW").await;
    set(&ids[2], "critical").await;
    let agent = Scripted::register(&plane).await;
    let mut order = vec![agent.claim_one().await.job_id];
    // Back among its equals it stands where it stood.
    set(&ids[0], "NORMAL").await;
    order.push(agent.claim_one().await.job_id);
    order.push(agent.claim_one().await.job_id);
    assert_eq!(order, [ids[2].clone(), ids[0].clone(), ids[1].clone()]);
}
