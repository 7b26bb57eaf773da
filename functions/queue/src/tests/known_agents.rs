//! An agent's reports, proven by what they write and not by a read.

use super::world::{JOBS, World};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_report_on_a_job_claimed_in_the_same_process_reads_nothing() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({})).await;
    world.claim(&agent, json!({})).await;
    let before = world.read_units();
    assert_eq!(world.start(&agent, &id, 1).await.status, 200);
    assert_eq!(world.complete(&agent, &id, 1, 0).await.status, 200);
    assert!((world.read_units() - before).abs() < f64::EPSILON);
    assert_eq!(
        world.get(&format!("{JOBS}/{id}")).await.job()["status"],
        "COMPLETED"
    );
}

#[tokio::test]
async fn a_report_to_another_process_comes_to_the_same() {
    let world = World::new().await;
    let elsewhere = world.elsewhere();
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({"max_attempts": 2})).await;
    world.claim(&agent, json!({})).await;
    assert_eq!(elsewhere.start(&agent, &id, 1).await.status, 200);
    // The job that this process remembers has been started since.
    let again = world.start(&agent, &id, 1).await;
    assert_eq!(
        (again.status.as_u16(), again.job()["status"].as_str()),
        (200, Some("RUNNING"))
    );
    let ended = world.complete(&agent, &id, 1, 1).await;
    assert_eq!(ended.json["retried"], true);
    let late = elsewhere.complete(&agent, &id, 1, 0).await;
    assert_eq!(
        (late.status.as_u16(), late.job()["failures"].as_u64()),
        (200, Some(1))
    );
}

#[tokio::test]
async fn what_others_did_to_a_remembered_job_is_not_overwritten() {
    let world = World::new().await;
    let elsewhere = world.elsewhere();
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({})).await;
    world.claim(&agent, json!({})).await;
    let path = format!("{JOBS}/{id}");
    let cancel = elsewhere
        .call(Method::DELETE, &path, &world.token, None)
        .await;
    assert_eq!(cancel.job()["cancel_requested"], true);
    let started = world.start(&agent, &id, 1).await;
    assert_eq!(started.job()["cancel_requested"], true);
    let ended = world.complete(&agent, &id, 1, 1).await;
    assert_eq!(ended.job()["status"], "CANCELLED");
}

#[tokio::test]
async fn an_agent_whose_key_is_revoked_is_refused_at_its_next_call_by_every_process() {
    let world = World::new().await;
    let elsewhere = world.elsewhere();
    let agent = world.agent("default").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(world.enqueue(json!({})).await);
    }
    world.claim(&agent, json!({"max_jobs": 2})).await;
    assert_eq!(world.start(&agent, &ids[0], 1).await.status, 200);

    elsewhere.revoke_key(&agent).await;
    let mut before = Vec::new();
    for id in &ids {
        let job = world.get(&format!("{JOBS}/{id}")).await;
        assert_eq!(
            (job.job()["status"].as_str(), job.job()["losses"].as_u64()),
            (Some("QUEUED"), Some(1)),
            "its jobs went back at once"
        );
        before.push(job.json);
    }
    let complete = world.complete(&agent, &ids[0], 1, 0).await;
    let start = world.start(&agent, &ids[1], 1).await;
    let claim = world
        .call(
            Method::POST,
            "/api/queue/claim",
            &agent.bearer,
            Some(json!({})),
        )
        .await;
    for refused in [&complete, &start, &claim] {
        assert_eq!(refused.problem(), (401, "unauthenticated"));
    }
    for (id, before) in ids.iter().zip(before) {
        assert_eq!(world.get(&format!("{JOBS}/{id}")).await.json, before);
    }
    // Once more is no harm, and no other agent is touched.
    elsewhere.revoke_key(&agent).await;
    let other = world.agent("default").await;
    assert!(ids.contains(&world.claim(&other, json!({})).await.job_id()));
}

#[tokio::test]
async fn a_session_is_remembered_no_longer_than_it_lasts() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({})).await;
    world.advance(3590);
    world.heartbeat(&agent).await;
    world.claim(&agent, json!({})).await;
    world.advance(10);
    assert_eq!(
        world.start(&agent, &id, 1).await.problem(),
        (401, "unauthenticated")
    );
}
