//! Whole lives of jobs.

use super::world::{Agent, Answer, JOBS, World, job};
use http::Method;
use serde_json::{Value, json};

async fn claim_and_start(world: &World, agent: &Agent) -> (String, u32) {
    let answer = world.claim(agent, json!({})).await;
    let attempt = u32::try_from(answer.job()["attempt"].as_u64().unwrap()).unwrap();
    let id = answer.job_id();
    assert_eq!(world.start(agent, &id, attempt).await.status, 200);
    (id, attempt)
}

async fn shown(world: &World, id: &str) -> Value {
    world.get(&format!("{JOBS}/{id}")).await.json["job"].clone()
}

#[tokio::test]
async fn a_job_is_enqueued_claimed_started_and_completed() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({"tags": {"team": "shop"}})).await;

    let claimed = world.claim(&agent, json!({})).await;
    assert_eq!(claimed.job_id(), id);
    assert_eq!(claimed.job()["status"], "CLAIMED");
    assert_eq!(claimed.job()["attempt"], 1);
    assert_eq!(claimed.json["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(claimed.json["retry_after_seconds"], 0.0);
    assert!(claimed.job()["lease_expires_at"].is_string());

    let started = world.start(&agent, &id, 1).await;
    assert_eq!(started.job()["status"], "RUNNING");
    assert_eq!(started.job()["lease_expires_at"], Value::Null);
    world.advance(3);
    let completed = world.complete(&agent, &id, 1, 0).await;
    assert_eq!(completed.json["retried"], false);
    let job = shown(&world, &id).await;
    assert_eq!(job["status"], "COMPLETED");
    assert_eq!(job["exit_code"], 0);
    assert_eq!(job["cause"], Value::Null);
    assert_eq!(job["tags"]["team"], "shop");
    assert_eq!(job["claimed_by_agent"], agent.id.as_str());
    assert!(job["created_by"].as_str().unwrap().starts_with("token:"));
}

#[tokio::test]
async fn a_failing_job_waits_longer_each_time_and_is_dead_lettered_in_the_end() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({"max_attempts": 3})).await;
    for (attempt, wait) in [(1, 5), (2, 10)] {
        assert_eq!(claim_and_start(&world, &agent).await, (id.clone(), attempt));
        let failed = world.complete(&agent, &id, attempt, 1).await;
        assert_eq!(failed.json["retried"], true);
        assert_eq!(failed.job()["cause"], "EXIT_CODE");
        world.advance(wait - 1);
        assert_eq!(world.claim(&agent, json!({})).await.job(), &Value::Null);
        world.advance(1);
    }
    claim_and_start(&world, &agent).await;
    let last = world.complete(&agent, &id, 3, 1).await;
    assert_eq!(last.json["retried"], false);
    assert_eq!(last.job()["status"], "DEAD_LETTERED");

    let again = world.post(&format!("{JOBS}/{id}/retry"), json!({})).await;
    assert_eq!(again.job()["status"], "QUEUED");
    assert_eq!(again.job()["failures"], 0);
    assert_eq!(claim_and_start(&world, &agent).await, (id, 4));
}

#[tokio::test]
async fn only_the_attempts_own_agent_may_speak_for_it() {
    let world = World::new().await;
    let (mine, other) = (world.agent("default").await, world.agent("default").await);
    let id = world.enqueue(json!({})).await;
    world.claim(&mine, json!({})).await;
    let stale = |answer: Answer| assert_eq!(answer.problem(), (409, "stale_attempt"));
    stale(world.start(&other, &id, 1).await);
    stale(world.start(&mine, &id, 2).await);
    stale(world.complete(&other, &id, 1, 0).await);
    assert_eq!(world.start(&mine, &id, 1).await.status, 200);
    assert_eq!(world.start(&mine, &id, 1).await.status, 200);
    assert_eq!(world.complete(&mine, &id, 1, 1).await.json["retried"], true);
    let repeated = world.complete(&mine, &id, 1, 1).await;
    assert_eq!(
        (repeated.status.as_u16(), &repeated.json["retried"]),
        (200, &json!(true))
    );

    world.advance(5);
    world.claim(&other, json!({})).await;
    stale(world.complete(&mine, &id, 1, 0).await);
    assert_eq!(shown(&world, &id).await["status"], "CLAIMED");
    let unknown = "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE";
    assert_eq!(
        world.start(&mine, unknown, 1).await.problem(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn an_agent_sees_the_jobs_that_it_holds_or_held_and_no_others() {
    let world = World::new().await;
    let (mine, other) = (world.agent("default").await, world.agent("default").await);
    let id = world.enqueue(json!({})).await;
    let path = format!("{JOBS}/{id}");
    let look = async |agent: &Agent| {
        world
            .call(Method::GET, &path, &agent.bearer, None)
            .await
            .status
    };
    assert_eq!(look(&mine).await, 404);
    world.claim(&mine, json!({})).await;
    assert_eq!(
        (look(&mine).await, look(&other).await),
        (200.try_into().unwrap(), 404.try_into().unwrap())
    );
    world.complete(&mine, &id, 1, 1).await;
    world.advance(5);
    world.claim(&other, json!({})).await;
    assert_eq!(
        (look(&mine).await, look(&other).await),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
}

#[tokio::test]
async fn an_agent_that_is_asked_to_drain_or_pause_is_given_nothing() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    world.enqueue(json!({})).await;
    for directive in [wire::Directive::Drain, wire::Directive::Pause] {
        world.direct(&agent, directive).await;
        let answer = world.claim(&agent, json!({})).await;
        assert_eq!(
            answer.json,
            json!({"job": null, "jobs": [], "retry_after_seconds": 5.0})
        );
    }
    world.direct(&agent, wire::Directive::Run).await;
    assert!(world.claim(&agent, json!({})).await.job().is_object());
}

#[tokio::test]
async fn a_claim_needs_no_body() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({})).await;
    let path = "/api/queue/claim";
    let answer = world.call(Method::POST, path, &agent.bearer, None).await;
    assert_eq!(answer.job_id(), id);
}

#[tokio::test]
async fn a_silent_agent_is_given_nothing() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    world.enqueue(json!({})).await;
    world.advance(31);
    assert_eq!(world.claim(&agent, json!({})).await.job(), &Value::Null);
}

#[tokio::test]
async fn urgent_jobs_come_first_and_equals_in_the_order_of_their_enqueueing() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let mut expected = Vec::new();
    for priority in ["LOW", "normal", "High", "CRITICAL"] {
        let first = world.enqueue(json!({"priority": priority})).await;
        world.advance(1);
        let second = world.enqueue(json!({"priority": priority})).await;
        world.advance(1);
        expected.splice(0..0, [first, second]);
    }
    let moved = expected[7].clone();
    let path = format!("{JOBS}/{moved}/priority");
    let body = Some(json!({"priority": "CRITICAL"}));
    let answer = world.call(Method::PATCH, &path, &world.token, body).await;
    assert_eq!(answer.job()["priority"], "CRITICAL");
    // It keeps its place in time, which was before the critical ones.
    expected.pop();
    expected.insert(0, moved);
    let claimed = world.claim(&agent, json!({"max_jobs": 10})).await;
    let ids: Vec<_> = claimed.json["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, expected);
    assert_eq!(claimed.json["retry_after_seconds"], 1.0);
    assert_eq!(
        world.claim(&agent, json!({})).await.json["retry_after_seconds"],
        2.0
    );
}

#[tokio::test]
async fn cancelling_ends_a_queued_job_and_asks_the_agent_of_a_running_one() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let queued = world.enqueue(json!({})).await;
    let cancel = async |id: &str| {
        world
            .call(Method::DELETE, &format!("{JOBS}/{id}"), &world.token, None)
            .await
    };
    assert_eq!(cancel(&queued).await.job()["status"], "CANCELLED");
    assert_eq!(cancel(&queued).await.status, 200);
    assert_eq!(world.claim(&agent, json!({})).await.job(), &Value::Null);

    let running = world.enqueue(json!({})).await;
    let (id, attempt) = claim_and_start(&world, &agent).await;
    assert_eq!(id, running);
    let asked = cancel(&id).await;
    assert_eq!(
        (&asked.job()["status"], &asked.job()["cancel_requested"]),
        (&json!("RUNNING"), &json!(true))
    );
    assert_eq!(
        world.complete(&agent, &id, attempt, 143).await.job()["status"],
        "CANCELLED"
    );

    let done = world.enqueue(json!({})).await;
    let (_, attempt) = claim_and_start(&world, &agent).await;
    world.complete(&agent, &done, attempt, 0).await;
    let refused = cancel(&done).await;
    assert_eq!(refused.problem(), (409, "illegal_transition"));
    assert!(
        refused.json["detail"]
            .as_str()
            .unwrap()
            .contains("COMPLETED")
    );
}

#[tokio::test]
async fn what_nobody_started_goes_back_by_an_idle_poll() {
    let world = World::new().await;
    let (dead, idle) = (world.agent("default").await, world.agent("default").await);
    let id = world.enqueue(json!({})).await;
    world.claim(&dead, json!({})).await;
    // Four shards of deadlines, one of them each second.
    let mut polls = 0;
    let claimed = loop {
        polls += 1;
        world.advance(if polls == 1 { 29 } else { 1 });
        world.heartbeat(&idle).await;
        let answer = world.claim(&idle, json!({})).await;
        if answer.job().is_object() {
            break answer;
        }
        assert!(polls < 8, "the job did not come back");
    };
    assert_eq!(claimed.job_id(), id);
    assert_eq!(
        (&claimed.job()["attempt"], &claimed.job()["losses"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        world.complete(&dead, &id, 1, 0).await.problem(),
        (409, "stale_attempt")
    );
}

#[tokio::test]
async fn an_administrator_can_have_lost_jobs_requeued_at_once() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let path = "/api/queue/maintenance/requeue-expired";
    for _ in 0..3 {
        world.enqueue(json!({})).await;
    }
    world.claim(&agent, json!({"max_jobs": 10})).await;
    let admin = world.admin().await;
    let pass = async || world.call(Method::POST, path, &admin, None).await.json;
    assert_eq!(pass().await, json!({"requeued_count": 0}));
    world.advance(31);
    assert_eq!(pass().await, json!({"requeued_count": 3}));
    assert_eq!(pass().await, json!({"requeued_count": 0}));
}

#[tokio::test]
async fn a_throttled_table_is_answered_with_503_and_a_time_to_come_back() {
    let world = World::new().await;
    let agent = world.agent("default").await;
    let id = world.enqueue(json!({})).await;
    let throttled = world.throttled();
    let calls = [
        throttled.post(JOBS, job(json!({}))).await,
        throttled
            .call(
                Method::POST,
                "/api/queue/claim",
                &agent.bearer,
                Some(json!({})),
            )
            .await,
        throttled
            .call(Method::DELETE, &format!("{JOBS}/{id}"), &world.token, None)
            .await,
    ];
    for answer in calls {
        assert_eq!(answer.problem(), (503, "busy"), "{}", answer.json);
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(
        shown(&world, &id).await["status"],
        "QUEUED",
        "nothing was half-written"
    );
    assert_eq!(world.claim(&agent, json!({})).await.job_id(), id);
}
