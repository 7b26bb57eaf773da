//! Lists and statistics.

use super::world::{Answer, JOBS, World};
use http::Method;
use serde_json::{Value, json};

fn ids(answer: &Answer) -> Vec<String> {
    let jobs = answer.json["jobs"].as_array().unwrap();
    jobs.iter()
        .map(|job| job["job_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pages_follow_one_another_without_gaps_or_repeats() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, world.enqueue(json!({})).await);
        world.advance(1);
    }
    let (mut found, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = world.get(&format!("{JOBS}{query}")).await;
        found.extend(ids(&page));
        let Some(cursor) = page.json["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn jobs_are_listed_by_status_pool_and_agent() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let running = world.enqueue(json!({})).await;
    let elsewhere = world.enqueue(json!({"pool_name": "linux"})).await;
    world.claim(&agent, json!({})).await;
    let list = async |query: &str| {
        let found = ids(&world.get(&format!("{JOBS}?{query}")).await);
        found.join(" ")
    };
    let held = format!("agent_id={}", agent.id);
    assert_eq!(list("status=queued").await, elsewhere);
    assert_eq!(list("pool_name=linux").await, elsewhere);
    assert_eq!(list("pool_name=nobody").await, "");
    assert_eq!(list("status=CLAIMED").await, running);
    assert_eq!(list(&held).await, running);
    world.complete(&agent, &running, 1, 0).await;
    assert_eq!(list(&format!("status=COMPLETED&{held}")).await, running);
}

#[tokio::test]
async fn a_cursor_of_another_query_or_tenant_is_refused() {
    let world = World::new().await;
    let other = world.other_tenant().await;
    for _ in 0..3 {
        world.enqueue(json!({})).await;
    }
    let page = world.get(&format!("{JOBS}?limit=1&status=QUEUED")).await;
    let cursor = page.json["next_cursor"].as_str().unwrap().to_owned();
    let query = format!("{JOBS}?status=QUEUED&cursor={cursor}");
    assert_eq!(ids(&world.get(&query).await).len(), 2);
    let theirs = world.call(Method::GET, &query, &other, None).await;
    assert_eq!(theirs.problem(), (400, "invalid_cursor"));
    for changed in [
        format!("{JOBS}?cursor={cursor}"),
        format!("{JOBS}?status=RUNNING&cursor={cursor}"),
    ] {
        let answer = world.get(&changed).await;
        assert_eq!(answer.problem(), (400, "invalid_cursor"));
        assert_eq!(answer.pointers(), ["/query/cursor"]);
    }
    let nothing = world.call(Method::GET, JOBS, &other, None).await;
    assert_eq!(nothing.json["jobs"], json!([]));
}

#[tokio::test]
async fn statistics_have_every_field_before_anything_was_counted() {
    let world = World::new().await;
    for query in ["", "?pool_name=linux"] {
        let answer = world.get(&format!("/api/queue/stats{query}")).await;
        assert_eq!(answer.status, 200);
        for field in [
            "queued",
            "claimed",
            "running",
            "completed",
            "failed",
            "dead_lettered",
            "cancelled",
            "avg_wait_seconds",
            "p95_wait_seconds",
            "avg_execution_seconds",
            "failure_rate",
        ] {
            assert_eq!(answer.json[field].as_f64(), Some(0.0), "{field}");
        }
        assert_ne!(answer.json["as_of"], Value::Null);
    }
}
