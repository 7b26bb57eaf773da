//! Messages that are not to be believed, and what becomes of those beside them.

use super::world::{Sender, World, build, bytes, event_id, local};
use crate::{Delivery, Disbelief, Source, Verdict};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use wire::relay::Envelope;
use wire::{KeyName, RelayId};

use Disbelief::{
    AnotherRelaysKey, BadSignature, NotAnEnvelope, NotTheContract, ReplacedKey, TooLarge,
    UnknownKey, UnknownRelay, WrongQueue,
};

/// An envelope, changed after it was signed.
fn altered(message: &str, change: impl Fn(&mut Envelope)) -> String {
    let mut envelope: Envelope = serde_json::from_str(message).unwrap();
    change(&mut envelope);
    serde_json::to_string(&envelope).unwrap()
}

fn with(message: &str, name: &str, value: Value) -> String {
    let mut envelope: Value = serde_json::from_str(message).unwrap();
    envelope[name] = value;
    envelope.to_string()
}

/// Relays beside the one whose queue is read: another of its organisation, and one of another organisation.
struct Others {
    neighbour: Sender,
    stranger: Sender,
}

/// Messages whose envelope or signature is not good.
fn badly_sealed(relay: &Sender, others: &Others) -> Vec<(&'static str, String, Disbelief)> {
    let good = relay.push(1);
    let unsigned = altered(&good, |envelope| envelope.signature.clear());
    let nothing = data_encoding::BASE64.encode(&[0; 64]);
    let zero = altered(&good, |envelope| envelope.signature.clone_from(&nothing));
    let forged = Sender {
        key: SigningKey::from_bytes(&bytes()),
        ..relay.clone()
    };
    let unknown = Sender {
        key_id: KeyName::parse("zzzzzzzzzzzz").unwrap(),
        ..relay.clone()
    };
    let as_this = |other: &Sender| Sender {
        relay: relay.relay.clone(),
        ..other.clone()
    };
    let of_another = relay.event(2, &json!({}));
    let payload = data_encoding::BASE64.encode(of_another.to_string().as_bytes());
    let swapped = altered(&good, |envelope| envelope.payload.clone_from(&payload));
    let renamed = altered(&good, |envelope| {
        envelope.relay_id = others.neighbour.relay.relay_id.clone();
    });
    let duplicated = good.replacen('{', "{\"version\":1,", 1);
    vec![
        ("empty", String::new(), NotAnEnvelope),
        ("no JSON", "hello".to_owned(), NotAnEnvelope),
        ("a number", "1".to_owned(), NotAnEnvelope),
        ("an empty object", "{}".to_owned(), NotAnEnvelope),
        (
            "an unknown field",
            with(&good, "more", json!(1)),
            NotAnEnvelope,
        ),
        (
            "another version",
            with(&good, "version", json!(2)),
            NotAnEnvelope,
        ),
        (
            "no Base64",
            with(&good, "payload", json!("?")),
            NotAnEnvelope,
        ),
        (
            "a key id of another form",
            with(&good, "key_id", json!("../../etc")),
            NotAnEnvelope,
        ),
        ("a field twice", duplicated, NotAnEnvelope),
        ("more behind it", format!("{good}{{}}"), NotAnEnvelope),
        (
            "larger than a message may be",
            format!("{good}{}", " ".repeat(8192)),
            TooLarge,
        ),
        ("deep", "[".repeat(8000), NotAnEnvelope),
        ("unsigned", unsigned, BadSignature),
        ("a signature of zeros", zero, BadSignature),
        (
            "signed with a key that nobody brought",
            forged.push(1),
            BadSignature,
        ),
        ("a key id that nobody has", unknown.push(1), UnknownKey),
        ("a payload of another message", swapped, BadSignature),
        ("in another relay's name", renamed, AnotherRelaysKey),
        (
            "signed by a neighbour",
            as_this(&others.neighbour).push(1),
            AnotherRelaysKey,
        ),
        (
            "signed by a stranger",
            as_this(&others.stranger).push(1),
            AnotherRelaysKey,
        ),
    ]
}

/// Messages that are signed well and say what they may not.
fn badly_said(relay: &Sender) -> Vec<(&'static str, String, Disbelief)> {
    let event = |more: Value| relay.event(1, &more);
    let mut another_relay = event(json!({}));
    another_relay["relay_id"] = json!(RelayId::new(super::world::NOW, [1; 10]));
    let mut numbered_zero = event(json!({}));
    numbered_zero["sequence"] = json!(0);
    let mut of_version_2 = event(json!({}));
    of_version_2["version"] = json!(2);
    let mut beside = event(json!({}));
    beside["body"] = json!("secret");
    let many: Vec<_> = (0..9).map(|number| format!("class-{number}")).collect();
    let payloads = [
        ("no event", json!({})),
        ("in the name of another relay", another_relay),
        ("numbered 0", numbered_zero),
        ("of another version", of_version_2),
        ("with a body beside the event", beside),
        ("with a commit message", event(json!({"message": "fix"}))),
        ("with a path", event(json!({"paths": ["src/main.rs"]}))),
        ("an event of no kind", event(json!({"event": "DELETE"}))),
        ("a branch with a newline", event(json!({"branch": "a\nb"}))),
        (
            "a branch that writes from right to left",
            event(json!({"branch": "a\u{202e}b"})),
        ),
        ("a long branch", event(json!({"branch": "x".repeat(201)}))),
        (
            "a branch that is a credential",
            event(json!({"branch": "ghp_0123456789abcdefghijABCDEFGHIJ012345"})),
        ),
        (
            "a repository that is a credential",
            event(json!({"repository": "AKIAIOSFODNN7EXAMPLE"})),
        ),
        (
            "an author that is a credential",
            event(json!({"author": "ghp_0123456789abcdefghijABCDEFGHIJ012345"})),
        ),
        (
            "an action that is a credential",
            event(json!({"action": "ghp_0123456789abcdefghij0123456789012345"})),
        ),
        (
            "a repository with a password",
            event(json!({"git_repo": "https://me:secret@git.example.com/a"})),
        ),
        (
            "a commit that is none",
            event(json!({"commit_sha": "main"})),
        ),
        (
            "too many classes of paths",
            event(json!({"path_classes": many})),
        ),
        (
            "an id of another kind",
            event(json!({"event_id": "job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE"})),
        ),
    ];
    let mut messages: Vec<_> = payloads
        .into_iter()
        .map(|(name, payload)| (name, relay.message(&payload), NotTheContract))
        .collect();
    let text = event(json!({})).to_string();
    let twice = text.replacen('{', "{\"version\":1,", 1);
    for (name, payload) in [
        ("a field twice", twice.as_bytes()),
        ("no UTF-8", &[0xff, 0xfe]),
        ("two events", format!("{text}{text}").as_bytes()),
    ] {
        messages.push((name, relay.message_of(payload), NotTheContract));
    }
    messages
}

#[tokio::test(start_paused = true)]
async fn hostile_messages_are_refused_with_a_reason_and_keep_no_other_back() {
    let world = World::new().await;
    let (acme, evil) = (world.tenant("acme").await, world.tenant("evil").await);
    let relay = world.relay(&acme, "eu").await;
    let others = Others {
        neighbour: world.relay(&acme, "us").await,
        stranger: world.relay(&evil, "evil").await,
    };
    for sender in [&relay, &others.neighbour, &others.stranger] {
        world.rules(sender, build()).await;
    }
    let mut hostile = badly_sealed(&relay, &others);
    hostile.extend(badly_said(&relay));
    // Good in themselves, and over a queue that is not their own.
    hostile.push(("a neighbour's own", others.neighbour.push(1), WrongQueue));
    hostile.push(("a stranger's own", others.stranger.push(1), WrongQueue));

    let orchestrator = world.orchestrator();
    let source = Source::Polled(acme.clone(), relay.relay.inbound_queue.clone());
    let mut deliveries = Vec::new();
    for (place, (name, body, _)) in hostile.iter().enumerate() {
        let good = relay.push(1000 + place as u64);
        for (message_id, body) in [
            ((*name).to_owned(), body.clone()),
            ("good".to_owned(), good),
        ] {
            deliveries.push(Delivery {
                message_id,
                body,
                source: source.clone(),
            });
        }
    }
    let verdicts = orchestrator.handle_batch(&deliveries).await;
    for ((name, _, why), pair) in hostile.iter().zip(verdicts.chunks(2)) {
        assert_eq!(pair[0], Verdict::Disbelieved(*why), "{name}");
        assert!(pair[1].is_done(), "{name}");
    }
    assert_eq!(world.jobs(&acme).await.len(), hostile.len());
    assert_eq!(world.jobs(&evil).await, []);
    for sender in [&relay, &others.neighbour, &others.stranger] {
        assert_eq!(world.event(sender, &event_id(1)).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_message_stays_on_the_queue_and_blocks_nothing() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let orchestrator = world.orchestrator();
    world.put(&relay, "poison").await;
    for number in 0..30 {
        world.put(&relay, &relay.push(number)).await;
    }
    let report = orchestrator.poll_once().await;
    assert_eq!(
        (report.messages.enqueued, report.messages.disbelieved),
        (30, 1)
    );
    assert_eq!((report.polled, report.failed), (1, 0));
    // It is seen again only when the queue shows it again: what is refused costs one look each time, and no loop.
    assert_eq!(orchestrator.poll_once().await.messages.messages(), 0);
    assert_eq!(world.left(&relay).await, 1);
    world.advance(31).await;
    assert_eq!(orchestrator.poll_once().await.messages.disbelieved, 1);
    assert_eq!(world.jobs(&acme).await.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_is_good_for_its_overlap_and_no_longer() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let old = world.relay(&acme, "eu").await;
    world.rules(&old, build()).await;
    let new = world.rotate(&old, 60).await;
    let orchestrator = world.orchestrator();
    let source = Source::Polled(acme.clone(), old.relay.inbound_queue.clone());
    let verdict = async |sender: &Sender, number: u64| {
        let delivery = Delivery {
            message_id: "1".to_owned(),
            body: sender.push(number),
            source: source.clone(),
        };
        orchestrator.handle_batch(&[delivery]).await[0]
    };
    assert!(verdict(&old, 1).await.is_done());
    assert!(verdict(&new, 2).await.is_done());
    world.advance(60).await;
    assert_eq!(verdict(&old, 3).await, Verdict::Disbelieved(ReplacedKey));
    assert!(verdict(&new, 4).await.is_done());
    // A year later the key has ended.
    world.advance(365 * 24 * 3600).await;
    assert_eq!(verdict(&new, 5).await, Verdict::Disbelieved(UnknownKey));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_gone_is_not_believed_any_more() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let tenant = world.store.tenant(&acme);
    let id = super::world::write();
    let gone = tenant.delete_relay(&relay.relay.relay_id, &id);
    assert!(gone.await.unwrap());
    let delivery = Delivery {
        message_id: "1".to_owned(),
        body: relay.push(1),
        source: Source::Polled(acme.clone(), relay.relay.inbound_queue.clone()),
    };
    let verdicts = world.orchestrator().handle_batch(&[delivery]).await;
    assert_eq!(verdicts, [Verdict::Disbelieved(UnknownRelay)]);
    assert_eq!(world.jobs(&acme).await, []);
}

#[tokio::test(start_paused = true)]
async fn another_organisations_relay_on_the_same_queue_gets_nobody_to_act() {
    let world = World::new().await;
    let (acme, evil) = (world.tenant("acme").await, world.tenant("evil").await);
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let queues = (local("eu-in"), None);
    let spy = world.relay_with(&evil, "spy", queues, None).await;
    world.rules(&spy, build()).await;
    let orchestrator = world.orchestrator();
    // Read on the spy's behalf, the relay's own messages are nobody's.
    let delivery = Delivery {
        message_id: "1".to_owned(),
        body: relay.push(1),
        source: Source::Polled(evil.clone(), local("eu-in")),
    };
    let verdicts = orchestrator.handle_batch(&[delivery]).await;
    assert_eq!(verdicts, [Verdict::Disbelieved(WrongQueue)]);
    assert_eq!(world.jobs(&acme).await, []);
    assert_eq!(world.jobs(&evil).await, []);
}
