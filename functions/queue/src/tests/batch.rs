//! Batches.

use super::world::{JOBS, World, job};
use serde_json::{Value, json};

const BATCH: &str = "/api/queue/jobs/batch";

fn batch(count: usize) -> Value {
    let jobs: Vec<_> = (0..count)
        .map(|place| job(json!({"tags": {"place": place.to_string()}})))
        .collect();
    json!({ "jobs": jobs })
}

async fn claimed_places(world: &World) -> Vec<String> {
    let agent = world.agent("default").await;
    let mut places = Vec::new();
    loop {
        let answer = world.claim(&agent, json!({"max_jobs": 7})).await;
        let jobs = answer.json["jobs"].as_array().unwrap().clone();
        if jobs.is_empty() {
            return places;
        }
        places.extend(
            jobs.iter()
                .map(|job| job["tags"]["place"].as_str().unwrap().to_owned()),
        );
    }
}

#[tokio::test]
async fn the_jobs_of_a_batch_are_claimed_in_the_order_given() {
    let expected: Vec<_> = (0..100).map(|place| place.to_string()).collect();
    let world = World::new().await;
    let answer = world.post(BATCH, batch(100)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json["results"].as_array().unwrap().len(), 100);
    assert_eq!(claimed_places(&world).await, expected);

    let world = World::new().await;
    let answer = world.post_with_key(BATCH, "nightly", &batch(100)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(claimed_places(&world).await, expected);
}

#[tokio::test]
async fn one_bad_job_does_not_keep_the_others_out() {
    let world = World::new().await;
    let jobs = json!([
        job(json!({})),
        job(json!({"git_commit_sha": "main"})),
        {"job_type": "build", "surprise": 1},
        7,
        job(json!({"timeout_seconds": 0, "max_attempts": 11})),
        job(json!({})),
    ]);
    let answer = world.post(BATCH, json!({ "jobs": jobs })).await;
    assert_eq!(answer.status, 201);
    let results = answer.json["results"].as_array().unwrap();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 400, 400, 400, 400, 201]);
    for (place, pointers) in [
        (1, vec!["/jobs/1/git_commit_sha"]),
        (2, vec!["/jobs/2/surprise"]),
        (3, vec!["/jobs/3"]),
        (4, vec!["/jobs/4/timeout_seconds", "/jobs/4/max_attempts"]),
    ] {
        let errors = results[place]["problem"]["errors"].as_array().unwrap();
        let found: Vec<_> = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(found, pointers);
        assert_eq!(results[place]["job"], Value::Null);
    }
    assert_eq!(
        world.get(JOBS).await.json["jobs"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_batch_has_one_to_a_hundred_jobs() {
    let world = World::new().await;
    for count in [0, 101] {
        let answer = world.post(BATCH, batch(count)).await;
        assert_eq!(answer.problem(), (400, "invalid_request"));
        assert_eq!(answer.pointers(), ["/jobs"]);
    }
    assert_eq!(world.get(JOBS).await.json["jobs"], json!([]));
}

#[tokio::test]
async fn a_repeated_batch_is_the_same_jobs() {
    let world = World::new().await;
    let first = world.post_with_key(BATCH, "nightly", &batch(3)).await;
    let again = world.post_with_key(BATCH, "nightly", &batch(3)).await;
    assert_eq!(again.status, 200);
    for place in 0..3 {
        let (one, two) = (&first.json["results"][place], &again.json["results"][place]);
        assert_eq!(one["job"]["job_id"], two["job"]["job_id"]);
        assert_eq!((&one["status"], &two["status"]), (&json!(201), &json!(200)));
    }
    let mut changed = batch(4);
    changed["jobs"][1]["priority"] = json!("HIGH");
    let third = world.post_with_key(BATCH, "nightly", &changed).await;
    let statuses: Vec<_> = third.json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].clone())
        .collect();
    assert_eq!(statuses, [200, 409, 200, 201]);
}
