//! Repeated requests and repeated writes.

use super::world::{JOBS, World, job};
use serde_json::json;

#[tokio::test]
async fn a_repeated_request_is_the_same_job_however_it_is_spelt() {
    let world = World::new().await;
    let first = world.post_with_key(JOBS, "a-key", &job(json!({}))).await;
    assert_eq!(first.status, 201);
    let spelt_out = job(json!({"priority": "normal", "timeout_seconds": 3600, "tags": {}}));
    let again = world.post_with_key(JOBS, "a-key", &spelt_out).await;
    assert_eq!(
        (again.status.as_u16(), again.job_id()),
        (200, first.job_id())
    );
    let other = world.post_with_key(JOBS, "b-key", &job(json!({}))).await;
    assert_eq!(other.status, 201);
    assert_ne!(other.job_id(), first.job_id());
}

#[tokio::test]
async fn a_key_is_good_for_one_request_only() {
    let world = World::new().await;
    world.post_with_key(JOBS, "a-key", &job(json!({}))).await;
    let other = world
        .post_with_key(JOBS, "a-key", &job(json!({"job_type": "test"})))
        .await;
    assert_eq!(other.problem(), (409, "idempotency_conflict"));
}

#[tokio::test]
async fn a_repeated_request_shows_the_job_as_it_is_by_now() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let body = job(json!({}));
    let id = world.post_with_key(JOBS, "a-key", &body).await.job_id();
    world.claim(&agent, json!({})).await;
    world.complete(&agent, &id, 1, 0).await;
    let again = world.post_with_key(JOBS, "a-key", &body).await;
    assert_eq!(
        (again.status.as_u16(), &again.job()["status"]),
        (200, &json!("COMPLETED"))
    );
}

#[tokio::test]
async fn a_job_without_a_key_is_enqueued_once_although_the_answer_of_its_write_was_lost() {
    let world = World::new().await;
    let forgetful = world.forgetful();
    let mut expected = Vec::new();
    for _ in 0..3 {
        let answer = forgetful.post(JOBS, job(json!({}))).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        assert_eq!(answer.job()["status"], "QUEUED");
        expected.push(answer.job_id());
    }
    assert_eq!(forgetful.api.store.meter().total().lost_races, 3);
    let list = world.get(JOBS).await.json;
    let jobs = list["jobs"].as_array().unwrap().iter();
    let mut listed: Vec<_> = jobs.map(|job| job["job_id"].as_str().unwrap()).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}
