//! Rounds over many relays: a fair share each, and nobody suffers from another's trouble.

use super::faults::QueueFault;
use super::world::{NOW, World, build, ignore};
use crate::{Answer, Event, Orchestrator, handle_one};
use embedded_dynamodb::{Call, Fault};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[tokio::test(start_paused = true)]
async fn hundreds_of_relays_are_all_read_in_one_round() {
    let world = World::new().await;
    let (mut senders, mut scopes) = (Vec::new(), Vec::new());
    for tenant in 0..5 {
        let scope = world.tenant(&format!("tenant-{tenant}")).await;
        for number in 0..60 {
            let sender = world.relay(&scope, &format!("r{tenant}-{number}")).await;
            world.rules(&sender, build()).await;
            world.put(&sender, &sender.push(1)).await;
            world.put(&sender, &sender.push(2)).await;
            senders.push(sender);
        }
        scopes.push(scope);
    }
    let report = world.orchestrator().poll_once().await;
    assert_eq!((report.polled, report.failed, report.errors), (300, 0, 0));
    assert_eq!(report.messages.enqueued, 600);
    for scope in &scopes {
        assert_eq!(world.jobs(scope).await.len(), 120);
    }
    for sender in &senders {
        assert_eq!(world.left(sender).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flooded_relay_has_its_share_of_a_round_and_no_more() {
    let world = World::new().await;
    let (loud, quiet) = (world.tenant("loud").await, world.tenant("quiet").await);
    let flood = world.relay(&loud, "flood").await;
    world.rules(&flood, ignore()).await;
    for number in 0..250 {
        world.put(&flood, &flood.push(number)).await;
    }
    let mut others = Vec::new();
    for number in 0..20 {
        let other = world.relay(&quiet, &format!("quiet-{number}")).await;
        world.rules(&other, ignore()).await;
        world.put(&other, &other.push(1)).await;
        others.push(other);
    }
    let orchestrator = world.orchestrator();
    for (ignored, left) in [(120, 150), (100, 50), (50, 0)] {
        let report = orchestrator.poll_once().await;
        assert_eq!(report.messages.ignored, ignored);
        assert_eq!(world.left(&flood).await, left);
    }
    for other in &others {
        assert_eq!(world.left(other).await, 0);
    }
}

/// Counts the calls of each queue.
fn counting(
    orchestrator: &Orchestrator,
    fault: fn(&str) -> QueueFault,
) -> Arc<Mutex<BTreeMap<String, usize>>> {
    let calls = Arc::new(Mutex::new(BTreeMap::new()));
    let counted = Arc::clone(&calls);
    orchestrator.doors.faults.set(move |queue, _| {
        *counted.lock().unwrap().entry(queue.to_owned()).or_default() += 1;
        fault(queue)
    });
    calls
}

#[tokio::test(start_paused = true)]
async fn a_broken_relay_is_left_alone_longer_and_longer_and_the_others_do_not_notice() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let broken = world.relay(&acme, "broken").await;
    let good = world.relay(&acme, "good").await;
    for sender in [&broken, &good] {
        world.rules(sender, build()).await;
    }
    let orchestrator = world.orchestrator();
    let calls = counting(&orchestrator, |queue| match queue {
        "broken-in" => QueueFault::Before,
        _ => QueueFault::None,
    });
    let mut failed = 0;
    // Ten minutes of rounds, every five seconds.
    for number in 0..120 {
        world.put(&good, &good.push(number)).await;
        let report = orchestrator.poll_once().await;
        assert_eq!((report.polled, report.messages.enqueued), (1, 1));
        assert_eq!(report.failed + report.backed_off, 1);
        failed += report.failed;
        world.advance(5).await;
    }
    // After 0, 10, 30, 70, 150, 310 and 610 s.
    assert_eq!(failed, 6);
    assert_eq!(calls.lock().unwrap()["broken-in"], 6);
    let tenant = world.store.tenant(&acme);
    let state = async |sender: &super::world::Sender| {
        let relay = tenant.relay(&sender.relay.relay_id).await.unwrap().unwrap();
        relay.polled.unwrap().failure
    };
    assert_eq!(state(&broken).await.as_deref(), Some("queue_unreachable"));
    assert_eq!(state(&good).await, None);
    // It is mended.
    counting(&orchestrator, |_| QueueFault::None);
    world.put(&broken, &broken.push(1)).await;
    world.advance(300).await;
    assert_eq!(orchestrator.poll_once().await.messages.enqueued, 1);
    assert_eq!(state(&broken).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_never_answers_costs_the_others_one_place_for_a_while() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let mut senders = Vec::new();
    for number in 0..40 {
        let sender = world.relay(&acme, &format!("r{number}")).await;
        world.rules(&sender, build()).await;
        world.put(&sender, &sender.push(1)).await;
        senders.push(sender);
    }
    let orchestrator = world.orchestrator();
    counting(&orchestrator, |queue| match queue {
        "r3-in" | "r7-in" => QueueFault::Hang,
        _ => QueueFault::None,
    });
    let began = tokio::time::Instant::now();
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed), (38, 2));
    assert_eq!(began.elapsed().as_secs(), 15);
    assert_eq!(world.jobs(&acme).await.len(), 38);
    let tenant = world.store.tenant(&acme);
    let hung = tenant.relay(&senders[3].relay.relay_id).await.unwrap();
    let failure = hung.unwrap().polled.unwrap().failure;
    assert_eq!(failure.as_deref(), Some("too_slow"));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_not_reached_comes_first_in_the_next_round() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    for number in 0..30 {
        let sender = world.relay(&acme, &format!("r{number:02}")).await;
        world.put(&sender, "poison").await;
    }
    let orchestrator = world.orchestrator();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (noted, calls) = (Arc::clone(&order), AtomicUsize::new(0));
    orchestrator.doors.faults.set(move |queue, _| {
        noted.lock().unwrap().push(queue.to_owned());
        // From the tenth call on nothing answers any more in this round.
        match calls.fetch_add(1, Ordering::SeqCst) {
            10..20 => QueueFault::Hang,
            _ => QueueFault::None,
        }
    });
    let cut_off = tokio::time::timeout(std::time::Duration::from_secs(1), orchestrator.poll_once());
    assert!(cut_off.await.is_err());
    let first: Vec<_> = order.lock().unwrap().drain(..).collect();
    world.advance(5).await;
    orchestrator.poll_once().await;
    let second = order.lock().unwrap().clone();
    let begun: std::collections::BTreeSet<_> = first.iter().collect();
    let waiting = 30 - begun.len();
    assert!(waiting >= 10, "{waiting}");
    let next: std::collections::BTreeSet<_> = second.iter().take(8).collect();
    assert!(next.is_disjoint(&begun), "{first:?}\n{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_nobodys_fault_and_backs_nobody_off() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let sender = world.relay(&acme, "eu").await;
    world.rules(&sender, build()).await;
    world.put(&sender, &sender.push(1)).await;
    let is_down = Arc::new(AtomicUsize::new(1));
    let down = Arc::clone(&is_down);
    let policy = move |call: &Call<'_>| {
        if call.operation == "GetItem" && down.load(Ordering::SeqCst) == 1 {
            Fault::Throttle
        } else {
            Fault::None
        }
    };
    let orchestrator = Orchestrator::new(world.parts(policy));
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed, report.errors), (0, 0, 1));
    is_down.store(0, Ordering::SeqCst);
    assert_eq!(orchestrator.poll_once().await.messages.enqueued, 1);
}

/// Time passes as fast as the rounds are over.
#[tokio::test(start_paused = true)]
async fn a_scheduled_invocation_polls_every_five_seconds_until_shortly_before_its_deadline() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    world.relay(&acme, "eu").await;
    let began = tokio::time::Instant::now();
    let passed = move || i64::try_from(began.elapsed().as_millis()).unwrap();
    let mut parts = world.parts(|_| Fault::None);
    parts.now = Arc::new(move || NOW.plus_millis(passed()));
    let orchestrator = Orchestrator::new(parts);
    let rounds = async |seconds| {
        let deadline = NOW.plus_millis(passed()).plus_seconds(seconds);
        match handle_one(Event::Scheduled, &orchestrator, deadline).await {
            Answer::Polled(report) => (report.rounds, report.polled),
            Answer::Batch(_) => panic!("no messages came"),
        }
    };
    assert_eq!(rounds(900).await, (12, 12));
    assert!(passed() <= 58_000);
    assert_eq!(rounds(15).await, (2, 2));
    assert_eq!(rounds(5).await, (0, 0));
    // As the emulator says it.
    assert_eq!(rounds(0).await, (1, 1));
}
