//! A process dies at any of its steps, and in the end everything is as if it had not.

use super::faults::QueueFault;
use super::invocations::{ARN_PREFIX, answer, event_of};
use super::world::{Sender, VISIBLE_AGAIN, World, build, event_id, ignore, local, notify};
use crate::Orchestrator;
use embedded_dynamodb::{Call, Fault};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::RecordedEvent;
use wire::relay::QueueReference;
use wire::{EventOutcome, Timestamp};

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

/// A name that nobody has yet.
fn name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("r{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A relay of an organisation of its own, with one message that waits.
async fn waiting(world: &World, rules: &Value) -> Sender {
    let name = name();
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

/// A relay of an organisation of its own whose queue triggers the function, and the event that it does that with: a message that
/// nobody believes, and a good one.
async fn triggered(world: &World, rules: &Value) -> (Sender, crate::Event) {
    let name = name();
    let scope = world.tenant(&name).await;
    let queues = (sqs(&name), Some(local(&format!("{name}-out"))));
    let relay = world.relay_with(&scope, &name, queues, None).await;
    world.rules(&relay, rules.clone()).await;
    let arn = format!("{ARN_PREFIX}{name}");
    let messages = [
        ("bad", "poison".to_owned(), arn.as_str()),
        ("good", relay.push(1), arn.as_str()),
    ];
    let event = event_of(&messages);
    (relay, event)
}

fn sqs(name: &str) -> QueueReference {
    QueueReference {
        provider: wire::QueueProvider::AwsSqs,
        address: format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_of_an_invocation_that_messages_have_triggered() {
    let world = World::new().await;
    let only_bad = json!({"batchItemFailures": [{"itemIdentifier": "bad"}]});
    for (name, rules) in all_rules() {
        let (relay, event) = triggered(&world, &rules).await;
        let (process, steps) = doomed(&world, usize::MAX, false);
        assert_eq!(answer(&process, event, &world).await, only_bad);
        let (steps, mut sent) = (steps.load(Ordering::SeqCst), 0);
        let expected = without_ids(end(&world, &relay, &mut sent).await);
        assert!(steps >= 5, "{name}: {steps}");
        let acted = expected.jobs.len() + expected.decided.len();
        assert_eq!(acted, usize::from(name != "ignored"), "{name}");
        for (fatal, is_done) in (0..steps).flat_map(|fatal| [(fatal, false), (fatal, true)]) {
            let (relay, event) = triggered(&world, &rules).await;
            let (dying, _) = doomed(&world, fatal, is_done);
            let said = answer(&dying, event.clone(), &world).await;
            let mut sent_before = 0;
            if said == only_bad {
                // Lambda deletes the good one if this answer arrives: by then it is done with.
                let found = without_ids(end(&world, &relay, &mut sent_before).await);
                assert_eq!(found, expected, "{name}: {fatal} {is_done}");
            }
            // It does not arrive, or it names the good one too. Both come again.
            world.advance(VISIBLE_AGAIN).await;
            let said = answer(&world.orchestrator(), event, &world).await;
            assert_eq!(said, only_bad, "{name}: {fatal} {is_done}");
            let mut sent = 0;
            let mut found = without_ids(end(&world, &relay, &mut sent).await);
            if sent_before > 0 {
                assert_eq!(sent, 0, "{name}: {fatal} {is_done}");
                found.decided.clone_from(&expected.decided);
            }
            assert_eq!(found, expected, "{name}: {fatal} {is_done}");
            assert!(sent <= 2, "{name}: {fatal} {is_done}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_is_what_is_not_believed_lost_on_its_way_to_the_dead_letters() {
    let world = World::new().await;
    let waiting = async || {
        let name = name();
        let scope = world.tenant(&name).await;
        let relay = world.relay_with_dead_letters(&scope, &name).await;
        world.rules(&relay, build()).await;
        world.put(&relay, "poison").await;
        world.put(&relay, &relay.push(1)).await;
        (relay, world.queues.queue(&format!("{name}-dead")))
    };
    let (relay, dead_letters) = waiting().await;
    let (process, steps) = doomed(&world, usize::MAX, false);
    process.poll_once().await;
    assert_eq!(dead_letters.subjects().len(), 1);
    leave(&world, &relay).await;
    let steps = steps.load(Ordering::SeqCst);
    assert!(steps >= 12, "{steps}");
    let mut buried_twice = 0;
    for (fatal, is_done) in (0..steps).flat_map(|fatal| [(fatal, false), (fatal, true)]) {
        let (relay, dead_letters) = waiting().await;
        let (dying, _) = doomed(&world, fatal, is_done);
        dying.poll_once().await;
        world.advance(VISIBLE_AGAIN).await;
        world.orchestrator().poll_once().await;
        let at = format!("{fatal} {is_done}");
        assert_eq!(world.left(&relay).await, 0, "{at}");
        assert_eq!(world.jobs(&relay.scope).await.len(), 1, "{at}");
        let buried = dead_letters.subjects();
        assert!((1..=2).contains(&buried.len()), "{at}: {buried:?}");
        let is_named = |subject: &String| subject == "hybrid-ci.refused.not_an_envelope";
        assert!(buried.iter().all(is_named), "{at}: {buried:?}");
        buried_twice += usize::from(buried.len() == 2);
        leave(&world, &relay).await;
    }
    // Those that died between sending it and deleting it.
    assert!(buried_twice > 0);
}
