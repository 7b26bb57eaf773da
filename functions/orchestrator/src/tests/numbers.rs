//! The numbers that a relay gives its messages.

use super::world::{VISIBLE_AGAIN, World, build};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_number_is_one_events_however_often_and_in_whatever_order_messages_come() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay_with_dead_letters(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let numbered = |event: u64, instance: char, sequence: u64| {
        let mut payload = relay.event(event, &json!({}));
        payload["instance"] = json!(instance.to_string().repeat(32));
        payload["sequence"] = json!(sequence);
        relay.message(&payload)
    };
    for body in [
        numbered(1, 'a', 7),
        numbered(2, 'a', 3),
        // The queue's copy of the first, and the relay's second try of it.
        numbered(1, 'a', 7),
        numbered(1, 'a', 8),
        // Another process counts for itself.
        numbered(3, 'b', 7),
    ] {
        world.put(&relay, &body).await;
    }
    let orchestrator = world.orchestrator();
    assert_eq!(orchestrator.poll_once().await.messages.disbelieved, 0);
    world.put(&relay, &numbered(4, 'a', 7)).await;
    world.advance(VISIBLE_AGAIN).await;
    assert_eq!(orchestrator.poll_once().await.messages.disbelieved, 1);
    assert_eq!(world.jobs(&acme).await.len(), 3);
    assert_eq!(world.left(&relay).await, 0);
    let subjects = world.queues.queue("eu-dead").subjects();
    assert_eq!(subjects, ["hybrid-ci.refused.number_taken"]);
}

#[tokio::test(start_paused = true)]
async fn the_latest_numbers_are_remembered() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    let numbers = crate::memory::Numbers::default();
    let takes = |event: u64, sequence: u64| {
        let mut payload = relay.event(event, &json!({}));
        payload["sequence"] = json!(sequence);
        numbers.take(&serde_json::from_value(payload).unwrap())
    };
    assert!((1..=300).all(|number| takes(number, number)));
    assert!(!takes(0, 300), "the highest");
    assert!(!takes(0, 45), "the 256th");
    assert!(takes(0, 44), "forgotten");
}
