//! Rounds over many relays: a fair share each, and nobody suffers from another's trouble.

use super::faults::QueueFault;
use super::world::{NOW, World, build, ignore};
use crate::{Answer, Event, Orchestrator, handle_one};
use embedded_dynamodb::{Call, Fault};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::Timestamp;

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
    let cut_off = tokio::time::timeout(Duration::from_secs(1), orchestrator.poll_once());
    assert!(cut_off.await.is_err());
    let first: Vec<_> = order.lock().unwrap().drain(..).collect();
    world.advance(5).await;
    orchestrator.poll_once().await;
    let second = order.lock().unwrap().clone();
    let begun: BTreeSet<_> = first.iter().collect();
    let waiting = 30 - begun.len();
    assert!(waiting >= 10, "{waiting}");
    let next: BTreeSet<_> = second.iter().take(8).collect();
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

/// A process whose clock goes on as tokio's does, and that clock.
fn ticking(world: &World) -> (Orchestrator, impl Fn() -> Timestamp + Clone + use<>) {
    let began = tokio::time::Instant::now();
    let now = move || {
        let passed = i64::try_from(began.elapsed().as_millis()).unwrap();
        NOW.plus_millis(passed)
    };
    let mut parts = world.parts(|_| Fault::None);
    parts.now = Arc::new(now);
    (Orchestrator::new(parts), now)
}

/// Time passes as fast as the rounds are over.
#[tokio::test(start_paused = true)]
async fn a_scheduled_invocation_polls_every_five_seconds_until_shortly_before_its_deadline() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    world.relay(&acme, "eu").await;
    let (orchestrator, now) = ticking(&world);
    let rounds = async |seconds| {
        let deadline = now().plus_seconds(seconds);
        match handle_one(Event::Scheduled, &orchestrator, deadline).await {
            Answer::Polled(report) => (report.rounds, report.polled),
            Answer::Batch(_) => panic!("no messages came"),
        }
    };
    assert_eq!(rounds(900).await, (12, 12));
    assert!(now() <= NOW.plus_seconds(58));
    assert_eq!(rounds(15).await, (2, 2));
    assert_eq!(rounds(5).await, (0, 0));
    // As the emulator says it.
    assert_eq!(rounds(0).await, (1, 1));
}

/// When each queue was read, in seconds since the test began.
type Readings = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// Notes when queues are read. Those of `stuck` never answer.
fn stuck(orchestrator: &Orchestrator, is_stuck: fn(&str) -> bool) -> Readings {
    let (began, readings) = (tokio::time::Instant::now(), Readings::default());
    let noted = Arc::clone(&readings);
    orchestrator.doors.faults.set(move |queue, call| {
        if call == "receive" {
            let mut noted = noted.lock().unwrap();
            let at = began.elapsed().as_secs();
            noted.entry(queue.to_owned()).or_default().push(at);
        }
        if is_stuck(queue) {
            QueueFault::Hang
        } else {
            QueueFault::None
        }
    });
    readings
}

#[tokio::test(start_paused = true)]
async fn queues_that_never_answer_hold_up_nobody_else_not_even_for_a_round() {
    let world = World::new().await;
    let (acme, slow) = (world.tenant("acme").await, world.tenant("slow").await);
    for number in 0..12 {
        world.relay(&acme, &format!("good-{number}")).await;
        world.relay(&slow, &format!("slow-{number}")).await;
    }
    let (orchestrator, now) = ticking(&world);
    let readings = stuck(&orchestrator, |queue| queue.starts_with("slow"));
    let report = orchestrator.poll_until(now().plus_seconds(58)).await;
    let readings = readings.lock().unwrap().clone();
    for number in 0..12 {
        let every_five: Vec<_> = (0..12).map(|round| round * 5).collect();
        assert_eq!(readings[&format!("good-{number}-in")], every_five);
    }
    // Six at a time, each for 15 s; those that had their turn are left alone before those that had none.
    let mut of_slow: Vec<_> = readings
        .iter()
        .filter(|(queue, _)| queue.starts_with("slow"))
        .flat_map(|(_, times)| times.clone())
        .collect();
    of_slow.sort_unstable();
    assert_eq!(of_slow, [[0; 6], [15; 6], [30; 6], [45; 6]].concat());
    assert_eq!((report.rounds, report.failed), (12, 18));
    assert_eq!(report.polled, 12 * 12);
    let tenant = world.store.tenant(&slow);
    let relays = tenant.relays().await.unwrap();
    let slow: Vec<_> = relays.iter().filter_map(|it| it.polled.as_ref()).collect();
    assert_eq!(slow.len(), 12);
    for polled in slow {
        assert_eq!(polled.failure.as_deref(), Some("too_slow"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_organisation_with_many_slow_relays_makes_no_other_wait() {
    let world = World::new().await;
    let (many, one) = (world.tenant("many").await, world.tenant("one").await);
    for number in 0..60 {
        world.relay(&many, &format!("many-{number}")).await;
    }
    world.relay(&one, "one").await;
    let (orchestrator, now) = ticking(&world);
    let readings = Readings::default();
    let (began, noted) = (tokio::time::Instant::now(), Arc::clone(&readings));
    orchestrator.doors.faults.set(move |queue, _| {
        let at = began.elapsed().as_secs();
        let mut noted = noted.lock().unwrap();
        noted.entry(queue.to_owned()).or_default().push(at);
        // An empty queue of Service Bus keeps whoever reads it for a second.
        QueueFault::Slow(Duration::from_secs(1))
    });
    orchestrator.poll_until(now().plus_seconds(58)).await;
    let readings = readings.lock().unwrap();
    let every_five: Vec<_> = (0..12).map(|round| round * 5).collect();
    assert_eq!(readings["one-in"], every_five);
    // Six at a time, since the other is done at once, have read 336 in 56 s, each as often as any other.
    let of_many = readings
        .iter()
        .filter(|(queue, _)| queue.starts_with("many"));
    let counts: Vec<_> = of_many.map(|(_, times)| times.len()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<usize>()), (60, 336));
    assert!(counts.iter().all(|count| (5..=6).contains(count)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_relay_that_gets_somewhere_has_not_failed_and_goes_on_in_its_next_turn() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, ignore()).await;
    for number in 0..60 {
        world.put(&relay, &relay.push(number)).await;
    }
    let (orchestrator, now) = ticking(&world);
    orchestrator.doors.faults.set(|_, call| match call {
        "receive" => QueueFault::Slow(Duration::from_secs(2)),
        _ => QueueFault::None,
    });
    // After 8 s four batches have come, and no fifth is asked for.
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed), (1, 0));
    assert_eq!((report.messages.ignored, now()), (40, NOW.plus_seconds(8)));
    assert_eq!(orchestrator.poll_once().await.messages.ignored, 20);
    assert_eq!(world.left(&relay).await, 0);

    // Nor has one that is stuck once it has got somewhere.
    let calls = Arc::new(AtomicUsize::new(0));
    orchestrator.doors.faults.set(move |_, call| match call {
        "receive" if calls.fetch_add(1, Ordering::SeqCst) > 0 => QueueFault::Hang,
        _ => QueueFault::None,
    });
    for number in 60..80 {
        world.put(&relay, &relay.push(number)).await;
    }
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed), (1, 0));
    assert_eq!(report.messages.ignored, 10);
    // In this turn nothing moves.
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn shortly_before_the_end_nothing_is_received_that_could_not_be_handled() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, ignore()).await;
    let (orchestrator, now) = ticking(&world);
    orchestrator
        .doors
        .faults
        .set(|_, _| QueueFault::Slow(Duration::from_millis(600)));
    for number in 0..1000 {
        world.put(&relay, &relay.push(number)).await;
    }
    let report = orchestrator.poll_until(now().plus_seconds(58)).await;
    assert!(report.messages.ignored > 100);
    // Whatever was received was taken off: what is left was never received.
    let queue = world.queue("eu-in").attributes().await.unwrap();
    assert_eq!(queue.in_flight, Some(0));
    let left = 1000 - report.messages.ignored as u64;
    assert_eq!(queue.waiting, Some(left));
}
