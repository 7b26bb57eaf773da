//! Each event is acted on once, whatever queues, processes and people do.

use super::faults::QueueFault;
use super::world::{Sender, World, build, event_id, ignore, notify};
use crate::{Delivery, Orchestrator, Postponement, Source, Verdict};
use embedded_dynamodb::{Call, Fault};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::RecordedEvent;
use wire::{EventOutcome, Timestamp};

/// Longer than a queue in this process hides what was received.
const VISIBLE_AGAIN: u64 = 31;

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

/// Rules, by the action that is theirs.
fn all_rules() -> [(&'static str, Value); 4] {
    let decide = json!([{"when": {}, "then": {"action": "DECIDE", "target": "deploy"}}]);
    [
        ("job", build()),
        ("told", notify()),
        ("decision", decide),
        ("ignored", ignore()),
    ]
}

/// A process that dies at its `fatal`th step, a step being a call of DynamoDB or of a queue: nothing that it calls from then on
/// happens. With `is_done` the step itself does, and only its answer is lost.
fn doomed(world: &World, fatal: usize, is_done: bool) -> (Orchestrator, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let fate = move |steps: &AtomicUsize| {
        let step = steps.fetch_add(1, Ordering::SeqCst);
        (step >= fatal).then_some(step == fatal && is_done)
    };
    let of_store = Arc::clone(&steps);
    let policy = move |_: &Call<'_>| match fate(&of_store) {
        None => Fault::None,
        Some(true) => Fault::DropAfter,
        Some(false) => Fault::DropBefore,
    };
    let orchestrator = Orchestrator::new(world.parts(policy));
    let of_queues = Arc::clone(&steps);
    orchestrator
        .doors
        .faults
        .set(move |_, _| match fate(&of_queues) {
            None => QueueFault::None,
            Some(true) => QueueFault::After,
            Some(false) => QueueFault::Before,
        });
    (orchestrator, steps)
}

/// Everything that is there once an event was handled, without the times.
#[derive(Debug, PartialEq)]
struct End {
    jobs: Vec<(String, String)>,
    events: Vec<RecordedEvent>,
    decided: BTreeSet<String>,
    left: u64,
}

async fn end(world: &World, relay: &Sender, sent: &mut usize) -> End {
    let jobs = world.jobs(&relay.scope).await;
    let decisions = world.decisions(relay).await;
    *sent = decisions.len();
    let event = world.event(relay, &event_id(1)).await;
    End {
        jobs: jobs
            .iter()
            .map(|job| (job.job_id.to_string(), format!("{:?}", job.spec)))
            .collect(),
        events: event
            .into_iter()
            .map(|event| RecordedEvent {
                relay_id: wire::RelayId::new(Timestamp::from_millis(0), [0; 10]),
                acted_at: Timestamp::from_millis(0),
                job_id: None,
                ..event
            })
            .collect(),
        decided: decisions
            .iter()
            .map(|decision| {
                format!(
                    "{} {} {}",
                    decision.event_id, decision.target, decision.rule
                )
            })
            .collect(),
        left: world.left(relay).await,
    }
}

/// A relay of an organisation of its own, with one message that waits.
async fn waiting(world: &World, rules: &Value) -> Sender {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("r{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let scope = world.tenant(&name).await;
    let relay = world.relay(&scope, &name).await;
    world.rules(&relay, rules.clone()).await;
    world.put(&relay, &relay.push(1)).await;
    relay
}

/// The relay goes, so that the next one is the only one again.
async fn leave(world: &World, relay: &Sender) {
    let tenant = world.store.tenant(&relay.scope);
    let id = super::world::write();
    assert!(
        tenant
            .delete_relay(&relay.relay.relay_id, &id)
            .await
            .unwrap()
    );
}

/// Jobs have ids that are made of their relay's, which differ from world to world.
fn without_ids(mut end: End) -> End {
    for (id, _) in &mut end.jobs {
        id.clear();
    }
    end
}

/// How many steps it takes to handle an event, and what is there then.
async fn undisturbed(world: &World, rules: &Value) -> (usize, End) {
    let relay = waiting(world, rules).await;
    let (process, steps) = doomed(world, usize::MAX, false);
    process.poll_once().await;
    let steps = steps.load(Ordering::SeqCst);
    let mut sent = 0;
    let end = without_ids(end(world, &relay, &mut sent).await);
    leave(world, &relay).await;
    assert_eq!((end.left, end.events.len()), (0, 1));
    assert_eq!(end.decided.len(), sent);
    (steps, end)
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_steps_changes_nothing_in_the_end() {
    let world = World::new().await;
    for (name, rules) in all_rules() {
        let (steps, expected) = undisturbed(&world, &rules).await;
        assert!(steps >= 10, "{name}: {steps}");
        let acted = expected.jobs.len() + expected.decided.len();
        assert_eq!(acted, usize::from(name != "ignored"), "{name}");
        let mut sent_twice = 0;
        for (fatal, is_done) in (0..steps).flat_map(|fatal| [(fatal, false), (fatal, true)]) {
            let relay = waiting(&world, &rules).await;
            let (dying, _) = doomed(&world, fatal, is_done);
            dying.poll_once().await;
            world.advance(VISIBLE_AGAIN).await;
            world.orchestrator().poll_once().await;
            let mut sent = 0;
            let found = without_ids(end(&world, &relay, &mut sent).await);
            assert_eq!(found, expected, "{name}: {fatal} {is_done}");
            assert!(sent <= 2, "{name}: {fatal} {is_done}");
            sent_twice += usize::from(sent == 2);
            leave(&world, &relay).await;
        }
        // A decision that was sent and not noted as sent is sent again. Both messages name the same event.
        let is_sent = matches!(name, "told" | "decision");
        assert_eq!(sent_twice, if is_sent { 2 } else { 0 }, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_that_change_while_an_event_is_half_done_change_nothing_of_it() {
    let world = World::new().await;
    let changes = [
        (build(), notify()),
        (notify(), build()),
        (build(), ignore()),
        (ignore(), build()),
    ];
    for (rules, others) in changes {
        let (steps, _) = undisturbed(&world, &rules).await;
        let mut outcomes = BTreeSet::new();
        for fatal in 0..steps {
            let relay = waiting(&world, &rules).await;
            let (dying, _) = doomed(&world, fatal, true);
            dying.poll_once().await;
            world.rules(&relay, others.clone()).await;
            world.advance(VISIBLE_AGAIN).await;
            world.orchestrator().poll_once().await;
            let mut sent = 0;
            let end = end(&world, &relay, &mut sent).await;
            assert_eq!(end.left, 0);
            let outcome = end.events[0].outcome;
            let is_of = |one: EventOutcome| usize::from(outcome == one);
            assert_eq!(
                (end.jobs.len(), end.decided.len()),
                (is_of(EventOutcome::Enqueued), is_of(EventOutcome::Notified)),
                "{rules} to {others} at {fatal}"
            );
            outcomes.insert(outcome.as_str());
            leave(&world, &relay).await;
        }
        // Those that died before they had decided are decided on by the others.
        assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    }
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
        world.advance(VISIBLE_AGAIN).await;
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
