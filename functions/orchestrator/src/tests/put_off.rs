//! What cannot be acted on for now waits on its queue, and does not use up how often that queue shows a message.

use super::faults::QueueFault;
use super::world::{NOW, World, build, notify};
use crate::Orchestrator;
use domain::limits::Limits;
use embedded_dynamodb::{Call, Fault};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ten minutes of rounds, every five seconds. How many messages were put off in each turn that there was.
async fn ten_minutes(world: &World, orchestrator: &Orchestrator) -> Vec<usize> {
    let mut turns = Vec::new();
    for _ in 0..120 {
        let report = orchestrator.poll_once().await;
        assert_eq!((report.failed, report.backed_off, report.errors), (0, 0, 0));
        assert_eq!(report.polled + report.put_off, 1);
        if report.polled == 1 {
            turns.push(report.messages.postponed);
        }
        world.advance(5).await;
    }
    turns
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_not_read_again_and_again_while_the_decision_queue_is_down() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, notify()).await;
    for number in 0..200 {
        world.put(&relay, &relay.push(number)).await;
    }
    let (orchestrator, faults) = world.with_faults();
    faults.set(|queue, _| match queue {
        "eu-out" => QueueFault::Before,
        _ => QueueFault::None,
    });
    // After 0, 10, 30, 70, 150, 310 s: a batch each.
    assert_eq!(ten_minutes(&world, &orchestrator).await, [10; 6]);
    let tenant = world.store.tenant(&acme);
    let state = tenant.relay(&relay.relay.relay_id).await.unwrap().unwrap();
    assert_eq!(state.polled.unwrap().failure, None);

    faults.set(|_, _| QueueFault::None);
    world.advance(300).await;
    let mut notified = 0;
    for _ in 0..3 {
        notified += orchestrator.poll_once().await.messages.notified;
    }
    assert_eq!((notified, world.left(&relay).await), (200, 0));
}

#[tokio::test(start_paused = true)]
async fn the_same_goes_for_a_store_that_takes_no_writes() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    for number in 0..20 {
        world.put(&relay, &relay.push(number)).await;
    }
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let policy = move |call: &Call<'_>| match call.operation {
        "PutItem" if down.load(Ordering::SeqCst) => Fault::Throttle,
        _ => Fault::None,
    };
    let orchestrator = Orchestrator::new(world.parts(policy));
    assert_eq!(ten_minutes(&world, &orchestrator).await, [10; 6]);
    is_down.store(false, Ordering::SeqCst);
    world.advance(300).await;
    assert_eq!(orchestrator.poll_once().await.messages.enqueued, 20);
    assert_eq!(world.left(&relay).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_organisation_without_room_for_jobs_still_has_what_makes_none() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    let rest = json!({"when": {}, "then": {"action": "NOTIFY", "target": "releases"}});
    world.rules(&relay, json!([build()[0], rest])).await;
    let mut parts = world.parts(|_| Fault::None);
    parts.limits = Limits {
        queued_jobs: 0,
        ..Limits::default()
    };
    let orchestrator = Orchestrator::new(parts);
    for number in 0..30 {
        let kind = if number % 2 == 0 {
            "PUSH"
        } else {
            "PULL_REQUEST"
        };
        let event = relay.event(number, &json!({"event": kind}));
        world.put(&relay, &relay.message(&event)).await;
    }
    let report = orchestrator.poll_once().await;
    let counts = (report.messages.notified, report.messages.postponed);
    assert_eq!(counts, (15, 15));
    assert_eq!(world.jobs(&acme).await, []);
    assert_eq!(world.left(&relay).await, 15);
    // What is left is all put off now.
    world.advance(31).await;
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.messages.postponed), (1, 10));
    assert_eq!(orchestrator.poll_once().await.put_off, 1);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_is_busy_with_keeps_nothing_back() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, notify()).await;
    for number in 0..10 {
        world.put(&relay, &relay.push(number)).await;
    }
    let sends = Arc::new(AtomicUsize::new(0));
    let (dying, faults) = world.with_faults();
    let counted = Arc::clone(&sends);
    faults.set(move |_, call| match call {
        "send" => {
            counted.fetch_add(1, Ordering::SeqCst);
            QueueFault::Before
        }
        _ => QueueFault::None,
    });
    dying.poll_once().await;
    assert_eq!(sends.load(Ordering::SeqCst), 10);
    // All ten are shown to another process, as a queue may, before they are left alone no longer.
    for number in 0..10 {
        world.put(&relay, &relay.push(number)).await;
    }
    world.put(&relay, &relay.push(10)).await;
    let other = world.orchestrator();
    let report = other.poll_once().await;
    assert_eq!(
        (report.messages.postponed, report.messages.notified),
        (10, 1)
    );
    assert_eq!(other.poll_once().await.put_off, 0);
    assert_eq!(world.now(), NOW);
}
