//! Invocations with messages of a queue of SQS, as Lambda makes them.

use super::world::{Sender, World, build, event_id};
use crate::{Answer, Event, Orchestrator, handle_one};
use serde_json::{Value, json};
use store::TenantScope;
use telemetry::MetricSink;
use wire::QueueProvider;
use wire::relay::QueueReference;

/// How the ARNs of queues begin.
pub(crate) const ARN_PREFIX: &str = "arn:aws:sqs:eu-central-1:123456789012:";
const ARN: &str = "arn:aws:sqs:eu-central-1:123456789012:events";

async fn triggered(world: &World, scope: &TenantScope) -> Sender {
    let queue = QueueReference {
        provider: QueueProvider::AwsSqs,
        address: "https://sqs.eu-central-1.amazonaws.com/123456789012/events".to_owned(),
    };
    world.relay_with(scope, "aws", (queue, None), None).await
}

/// What the function is called with: messages by their ids, each with the queue that it came over.
pub(crate) fn event_of(messages: &[(&str, String, &str)]) -> Event {
    let records: Vec<_> = messages
        .iter()
        .map(|(id, body, arn)| {
            json!({
                "messageId": id, "receiptHandle": "r", "body": body,
                "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
                "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "eu-central-1",
            })
        })
        .collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// What the function answers.
pub(crate) async fn answer(orchestrator: &Orchestrator, event: Event, world: &World) -> Value {
    let deadline = world.now().plus_seconds(28);
    let answer: Answer = handle_one(event, orchestrator, deadline).await;
    serde_json::to_value(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_is_bad_is_reported_and_the_rest_proceeds() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = triggered(&world, &acme).await;
    world.rules(&relay, build()).await;
    let mut messages: Vec<_> = (0..8)
        .map(|number| {
            (
                ["a", "b", "c", "d", "e", "f", "g", "h"][number],
                relay.push(number as u64),
                ARN,
            )
        })
        .collect();
    messages.insert(3, ("poison", "{".to_owned(), ARN));
    let other = "arn:aws:sqs:eu-central-1:123456789012:others";
    messages.push(("elsewhere", relay.push(100), other));
    let orchestrator = world.orchestrator();
    let said = answer(&orchestrator, event_of(&messages), &world).await;
    let failures = json!([{"itemIdentifier": "poison"}, {"itemIdentifier": "elsewhere"}]);
    assert_eq!(said, json!({"batchItemFailures": failures}));
    assert_eq!(world.jobs(&acme).await.len(), 8);
    assert_eq!(world.event(&relay, &event_id(100)).await, None);
    // It is delivered again, as if its deletion had failed.
    let again = answer(&orchestrator, event_of(&messages[..3]), &world).await;
    assert_eq!(again, json!({"batchItemFailures": []}));
    assert_eq!(world.jobs(&acme).await.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_handled_now_is_reported_and_comes_back() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = triggered(&world, &acme).await;
    world.rules(&relay, build()).await;
    let is_write = |call: &embedded_dynamodb::Call<'_>| match call.operation {
        "PutItem" => embedded_dynamodb::Fault::Throttle,
        _ => embedded_dynamodb::Fault::None,
    };
    let failing = Orchestrator::new(world.parts(is_write));
    let messages = [("a", relay.push(1), ARN)];
    let said = answer(&failing, event_of(&messages), &world).await;
    assert_eq!(
        said,
        json!({"batchItemFailures": [{"itemIdentifier": "a"}]})
    );
    let said = answer(&world.orchestrator(), event_of(&messages), &world).await;
    assert_eq!(said, json!({"batchItemFailures": []}));
    assert_eq!(world.jobs(&acme).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn metrics_say_what_became_of_messages_and_how_late_and_name_nobody() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = triggered(&world, &acme).await;
    world.rules(&relay, build()).await;
    let written = std::sync::Arc::new(std::sync::Mutex::new(Vec::<u8>::new()));
    let sink = MetricSink::to("test", written.clone());
    let orchestrator = world.orchestrator().with_metrics(sink);
    world.advance(7).await;
    let messages = [
        ("a", relay.push(1), ARN),
        ("b", relay.push(1), ARN),
        ("c", relay.push(2), ARN),
        ("d", String::new(), ARN),
    ];
    answer(&orchestrator, event_of(&messages), &world).await;
    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |outcome: &str| {
        let line = lines.iter().find(|line| line["outcome"] == outcome);
        line.and_then(|line| line["events/handled"].as_f64())
    };
    assert_eq!(of("enqueued"), Some(2.0));
    assert_eq!(of("duplicate"), Some(1.0));
    assert_eq!(of("disbelieved"), Some(1.0));
    assert_eq!(of("refused"), None);
    let lag = lines.iter().find_map(|line| line["events/lag_ms"].as_f64());
    assert_eq!(lag, Some(7000.0));
    for said in [
        "acme",
        relay.relay.relay_id.as_str(),
        "example/shop",
        "octocat",
    ] {
        assert!(!text.contains(said), "{said}: {text}");
    }
}
