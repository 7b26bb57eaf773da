//! Webhooks without trust, from one end to the other with the programs as they are: a relay and an agent at the customer's, the
//! functions' binaries at ours, and between them nothing but queues that belong to the customer.

mod world;

use crate::harness::{Cloud, SOON, github, moto, until};
use crate::hold;
use serde_json::{Value, json};
use world::World;

/// The rules that the tests begin with.
fn rules() -> Value {
    json!({ "tools": { "github": [
        { "when": { "event": "PUSH", "branch": "docs/**" }, "then": { "action": "IGNORE" } },
        { "when": { "event": "PUSH" },
          "then": { "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "default", "priority": "HIGH" } },
        { "when": { "event": "PULL_REQUEST", "action": "opened" },
          "then": { "action": "DECIDE", "target": "review" } },
    ] } })
}

/// A push of the repository's last commit.
fn push(world: &World, branch: &str) -> Value {
    let mut body = github("push");
    body["ref"] = json!(format!("refs/heads/{branch}"));
    body["after"] = json!(world.repo.head());
    body["repository"]["clone_url"] = json!(world.repository());
    body
}

async fn from_a_push_to_a_green_job(cloud: Cloud) {
    let world = World::start(cloud).await;
    world.route(0, &rules()).await;
    world.hear_of("HEALTHY").await;
    let (status, answer) = world
        .relay
        .deliver("push", "one", &push(&world, "main"))
        .await;
    assert_eq!(status, 202, "{}", world.relay.journal());
    let job = world.job_of(&answer).await;
    let job = world.ends(&job, "COMPLETED").await;
    assert_eq!(job["git_commit_sha"], world.repo.head());
    assert_eq!(job["priority"], "HIGH");
    assert_eq!(job["created_by"], format!("relay:{}", world.relay_id));
    let log = world.log(&job);
    assert!(
        log.contains(&format!("built {}", world.repo.head())),
        "{log}"
    );

    // The same delivery again, and the same body under another id, are the same event: there is no other job.
    for delivery in ["one", "two"] {
        let (status, again) = world
            .relay
            .deliver("push", delivery, &push(&world, "main"))
            .await;
        assert_eq!((status, &again["event_id"]), (202, &answer["event_id"]));
    }
    // Nor if the relay has forgotten, and its message is sent once more.
    let sent = world.cloud.sent();
    let first: Value = serde_json::from_str(&sent[0]).unwrap();
    let body = first["MessageBody"].as_str().unwrap();
    let before = world.cloud.deleted();
    world.cloud.send(&world.events, body).await;
    until("the message to be done with", SOON, async || {
        world.poll().await;
        (world.cloud.deleted() > before).then_some(())
    })
    .await;
    assert_eq!(world.jobs().await, 1);

    // What somebody has changed on its way is given back to the customer, with the reason, and is no event.
    let mut forged: Value = serde_json::from_str(body).unwrap();
    forged["signature"] = json!(data_encoding::BASE64.encode(&[1; 64]));
    world.cloud.send(&world.events, &forged.to_string()).await;
    let refused = "hybrid-ci.refused.bad_signature".to_owned();
    assert_eq!(world.dead_letter().await, (forged.to_string(), refused));
    assert_eq!(world.jobs().await, 1);

    // A pull request becomes a decision on the customer's other queue.
    let mut opened = github("pull_request_opened");
    opened["repository"]["clone_url"] = json!(world.repository());
    let (status, answer) = world.relay.deliver("pull_request", "three", &opened).await;
    assert_eq!(status, 202, "{}", world.relay.journal());
    let decision = world.decision().await;
    assert_eq!(decision["target"], "review", "{decision}");
    assert_eq!(decision["event_id"], answer["event_id"], "{decision}");
    assert_eq!(world.jobs().await, 1);
    assert_eq!(hold::unsaid(&world.items().await), [""; 0]);
    let said = world.stdout().await;
    for hidden in ["hunter2", "Rotate the database", "mona@github.com"] {
        assert!(!said.contains(hidden), "{hidden} is in the functions' logs");
        let is_hidden = |message: &String| !message.contains(hidden);
        assert!(world.cloud.sent().iter().all(is_hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_signed_push_becomes_a_job_of_its_commit_once_and_a_pull_request_a_decision() {
    from_a_push_to_a_green_job(Cloud::start().await).await;
}

#[tokio::test]
async fn the_same_goes_for_the_sqs_and_sts_of_moto() {
    let Some(moto) = moto() else {
        return;
    };
    from_a_push_to_a_green_job(Cloud::start_before_moto(&moto).await).await;
}

#[tokio::test]
async fn a_change_of_rules_a_new_key_and_silence_are_noticed() {
    let mut world = World::start(Cloud::start().await).await;
    world.route(0, &rules()).await;
    let (_, ignored) = world
        .relay
        .deliver("push", "one", &push(&world, "docs/a"))
        .await;
    world.event(&ignored, "IGNORED").await;
    // Whoever has not seen the last version of the rules does not change them.
    let none = json!({ "tools": {} });
    assert_eq!(world.try_route(0, &none).await, 412);
    world.route(1, &none).await;
    let (_, unmatched) = world.relay.deliver("push", "two", &push(&world, "b")).await;
    world.event(&unmatched, "UNMATCHED").await;
    assert_eq!(world.jobs().await, 0);

    // What was signed with the old key before the new one came is good for a while, and what is signed with the new one is.
    world.route(2, &rules()).await;
    world.relay.rotate_key(world.way()).await;
    let (_, old) = world
        .relay
        .deliver("push", "three", &push(&world, "c"))
        .await;
    let job = world.job_of(&old).await;
    world.ends(&job, "COMPLETED").await;
    world.start_relay_again().await;
    let (_, new) = world
        .relay
        .deliver("push", "four", &push(&world, "d"))
        .await;
    let job = world.job_of(&new).await;
    world.ends(&job, "COMPLETED").await;

    // In an incident the old key goes at once: what the relay signs is not believed, and becomes nothing.
    world.revoke_keys().await;
    let (status, _) = world
        .relay
        .deliver("push", "five", &push(&world, "e"))
        .await;
    assert_eq!(status, 202);
    world.poll().await;
    assert_eq!(world.jobs().await, 2);

    world.relay.stop().await;
    world.silence().await;
    world.hear_of("OFFLINE").await;
}
