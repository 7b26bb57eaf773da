//! What is not believed, and where it ends.

use super::faults::QueueFault;
use super::world::{Sender, VISIBLE_AGAIN, World, build, bytes, local};
use ed25519_dalek::SigningKey;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_is_not_believed_goes_to_the_dead_letter_queue_with_the_reason() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay_with_dead_letters(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let forged = Sender {
        key: SigningKey::from_bytes(&bytes()),
        ..relay.clone()
    };
    for body in ["poison", &forged.push(1), &relay.push(2)] {
        world.put(&relay, body).await;
    }
    let (orchestrator, faults) = world.with_faults();
    // While that queue is down, what belongs there stays where it is.
    faults.set(|queue, call| match (queue, call) {
        ("eu-dead", "send") => QueueFault::Before,
        _ => QueueFault::None,
    });
    let report = orchestrator.poll_once().await;
    let counts = (report.messages.enqueued, report.messages.disbelieved);
    assert_eq!((counts, report.failed), ((1, 2), 0));
    assert_eq!(world.left(&relay).await, 2);

    faults.set(|_, _| QueueFault::None);
    world.advance(VISIBLE_AGAIN).await;
    assert_eq!(orchestrator.poll_once().await.messages.disbelieved, 2);
    assert_eq!(world.left(&relay).await, 0);
    let mut subjects = world.queues.queue("eu-dead").subjects();
    subjects.sort();
    let expected = ["bad_signature", "not_an_envelope"];
    assert_eq!(
        subjects,
        expected.map(|why| format!("hybrid-ci.refused.{why}"))
    );
    let letters = world.queue("eu-dead").receive(10, Duration::ZERO).await;
    let letters = letters.unwrap();
    assert!(letters.iter().any(|letter| letter.body == "poison"));
    assert_eq!(world.jobs(&acme).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_comes_back_stays_and_goes_round_no_more() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    // By mistake each one's dead letters are the other's events.
    let round = |name: &str, dead: &str| {
        let inbound = local(&format!("{name}-in"));
        (inbound, None, Some(local(&format!("{dead}-in"))))
    };
    let one = world
        .relay_on(&acme, "one", round("one", "two"), None)
        .await;
    let two = world
        .relay_on(&acme, "two", round("two", "one"), None)
        .await;
    world.rules(&one, build()).await;
    world.put(&one, "poison").await;
    let orchestrator = world.orchestrator();
    for _ in 0..10 {
        orchestrator.poll_once().await;
        world.advance(VISIBLE_AGAIN).await;
    }
    // Where it was sent to it is the only message that there ever was.
    assert_eq!((world.left(&one).await, world.left(&two).await), (0, 1));
    let queue = world.queue("two-in");
    let messages = queue.receive(10, Duration::ZERO).await.unwrap();
    let [message] = messages.as_slice() else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (message.id.as_str(), message.body.as_str()),
        ("1", "poison")
    );
    assert_eq!(message.subject, "hybrid-ci.refused.not_an_envelope");
    // It is no loss of what the customer sends once more, which is believed by now.
    let letter = queues::Outgoing {
        body: &one.push(1),
        deduplication_id: "",
        subject: "hybrid-ci.refused.unknown_key",
    };
    world.queue("one-in").send(letter).await.unwrap();
    assert_eq!(orchestrator.poll_once().await.messages.enqueued, 1);
    assert_eq!(world.left(&one).await, 0);
}
