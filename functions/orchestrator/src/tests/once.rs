//! Each event is acted on once, whatever queues, processes and people do.

use super::faults::QueueFault;
use super::world::{VISIBLE_AGAIN, World, build, event_id, notify};
use crate::{Delivery, Postponement, Source, Verdict};
use serde_json::json;
use std::collections::BTreeSet;
use wire::EventOutcome;

#[tokio::test(start_paused = true)]
async fn duplicates_in_any_order_make_one_job_each() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    // Each four times: twice the same message, twice what the relay sent again under another number.
    let mut order: Vec<u64> = (0..200).collect();
    order.sort_by_key(|place| place.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17));
    for place in order {
        let number = place % 50;
        let mut event = relay.event(number, &json!({}));
        if place >= 100 {
            event["sequence"] = json!(1000 + place);
        }
        world.put(&relay, &relay.message(&event)).await;
    }
    let (one, two) = (world.orchestrator(), world.orchestrator());
    for _ in 0..3 {
        one.poll_once().await;
        two.poll_once().await;
    }
    let jobs = world.jobs(&acme).await;
    assert_eq!(jobs.len(), 50);
    let ids: BTreeSet<_> = jobs.iter().map(|job| &job.job_id).collect();
    assert_eq!(ids.len(), 50);
    assert_eq!(world.left(&relay).await, 0);
    for number in 0..50 {
        let event = world.event(&relay, &event_id(number)).await.unwrap();
        assert_eq!(
            (event.outcome, event.is_done),
            (EventOutcome::Enqueued, true)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_becomes_visible_while_it_is_worked_on_is_acted_on_once() {
    for (rules, jobs, decisions) in [(build(), 1, 0), (notify(), 0, 1)] {
        let world = World::new().await;
        let acme = world.tenant("acme").await;
        let relay = world.relay(&acme, "eu").await;
        world.rules(&relay, rules).await;
        world.put(&relay, &relay.push(1)).await;
        // The first is stuck before it deletes, until everybody can see the message.
        let (slow, faults) = world.with_faults();
        faults.set(|_, call| match call {
            "delete" => QueueFault::Before,
            _ => QueueFault::None,
        });
        slow.poll_once().await;
        world.advance(VISIBLE_AGAIN).await;
        let report = world.orchestrator().poll_once().await;
        assert_eq!(report.messages.duplicates, 1);
        assert_eq!(world.left(&relay).await, 0);
        assert_eq!(world.jobs(&acme).await.len(), jobs);
        assert_eq!(world.decisions(&relay).await.len(), decisions);
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_the_same_message_do_its_work_once() {
    for (rules, jobs, decisions) in [(build(), 1, 0), (notify(), 0, 1)] {
        let world = World::new().await;
        let acme = world.tenant("acme").await;
        let relay = world.relay(&acme, "eu").await;
        world.rules(&relay, rules).await;
        let polled = Source::Polled(acme.clone(), relay.relay.inbound_queue.clone());
        let delivery = Delivery {
            message_id: "1".to_owned(),
            body: relay.push(1),
            source: polled,
        };
        let (one, two) = (world.orchestrator(), world.orchestrator());
        let deliveries = [delivery];
        futures_util::future::join(one.handle_batch(&deliveries), two.handle_batch(&deliveries))
            .await;
        assert_eq!(world.jobs(&acme).await.len(), jobs);
        assert_eq!(world.decisions(&relay).await.len(), decisions);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_a_decision_just_begun_leaves_it_alone_for_a_while() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, notify()).await;
    let polled = Source::Polled(acme, relay.relay.inbound_queue.clone());
    let delivery = Delivery {
        message_id: "1".to_owned(),
        body: relay.push(1),
        source: polled,
    };
    let (dying, faults) = world.with_faults();
    faults.set(|_, call| match call {
        "send" => QueueFault::Before,
        _ => QueueFault::None,
    });
    let deliveries = [delivery];
    let verdicts = dying.handle_batch(&deliveries).await;
    let unreachable = Postponement::DecisionQueue("queue_unreachable");
    assert_eq!(verdicts, [Verdict::Postponed(unreachable)]);
    let other = world.orchestrator();
    world.advance(19).await;
    let verdicts = other.handle_batch(&deliveries).await;
    assert_eq!(verdicts, [Verdict::Postponed(Postponement::UnderWay)]);
    world.advance(1).await;
    assert!(other.handle_batch(&deliveries).await[0].is_done());
    assert_eq!(world.decisions(&relay).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_stays_unfinished_while_the_customers_decision_queue_is_down() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, notify()).await;
    world.put(&relay, &relay.push(1)).await;
    let (orchestrator, faults) = world.with_faults();
    faults.set(|queue, _| match queue {
        "eu-out" => QueueFault::Before,
        _ => QueueFault::None,
    });
    for _ in 0..3 {
        let report = orchestrator.poll_once().await;
        assert_eq!((report.polled, report.messages.postponed), (1, 1));
        let event = world.event(&relay, &event_id(1)).await.unwrap();
        assert_eq!(
            (event.outcome, event.is_done),
            (EventOutcome::Notified, false)
        );
        assert_eq!(world.left(&relay).await, 1);
        // Longer than the relay is left alone after the third time.
        world.advance(2 * VISIBLE_AGAIN).await;
    }
    faults.set(|_, _| QueueFault::None);
    assert_eq!(orchestrator.poll_once().await.messages.notified, 1);
    assert!(world.event(&relay, &event_id(1)).await.unwrap().is_done);
    assert_eq!(world.decisions(&relay).await.len(), 1);
    assert_eq!(world.left(&relay).await, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_can_take_the_id_of_an_events_job_first() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let (relay, other) = (
        world.relay(&acme, "eu").await,
        world.relay(&acme, "us").await,
    );
    for sender in [&relay, &other] {
        world.rules(sender, build()).await;
        // Both relays have an event of the same id.
        world.put(sender, &sender.push(1)).await;
    }
    world.orchestrator().poll_once().await;
    let jobs = world.jobs(&acme).await;
    assert_eq!(jobs.len(), 2);
    let of_a_request = store::NewJob::id_for_key(acme.tenant(), event_id(1).as_str());
    assert!(jobs.iter().all(|job| job.job_id != of_a_request));
}
