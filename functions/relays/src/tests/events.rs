//! What a relay sent is seen by its organisation.

use super::*;
use serde_json::json;
use store::{RecordedEvent, WriteId};
use wire::{EventId, EventOutcome};

fn recorded(relay_id: &str, number: u8) -> RecordedEvent {
    let event = json!({
        "event_id": EventId::from_digest([number; 16]), "tool": "github", "event": "PUSH", "branch": "main",
        "received_at": NOW.plus_seconds(i64::from(number)), "body_bytes": 10,
        "commitment": { "algorithm": "SHA256", "digest": "ab".repeat(32) },
    });
    RecordedEvent {
        relay_id: relay_id.parse().unwrap(),
        event: serde_json::from_value(event).unwrap(),
        instance: "0".repeat(32).parse().unwrap(),
        sequence: u64::from(number),
        outcome: EventOutcome::Unmatched,
        reason: None,
        rule: None,
        routing_version: 0,
        action: None,
        job_id: None,
        acted_at: NOW,
        is_done: true,
    }
}

#[tokio::test]
async fn events_are_listed_page_by_page_and_can_be_tried_as_they_are() {
    let world = World::new().await;
    let (id, _) = world.register(request()).await;
    let tenant = world.api.store.tenant(&world.acme);
    for number in 1..=3 {
        let write_id = WriteId::new(world.api.entropy.bytes());
        let event = recorded(&id, number);
        tenant.record_event(&event, &write_id).await.unwrap();
    }
    let path = format!("GET /api/relays/{id}/events?limit=2");
    let page = world.admin(&path, Value::Null).await;
    let rest = format!("{path}&cursor={}", page.text("/next_cursor"));
    let rest = world.admin(&rest, Value::Null).await;
    let pages = [&page, &rest].into_iter();
    let events = pages.flat_map(|page| page.body["events"].as_array().unwrap());
    let seen: Vec<_> = events.map(|event| event["sequence"].clone()).collect();
    assert_eq!(seen, [3, 2, 1]);
    assert_eq!(rest.body["next_cursor"], Value::Null);
    let event = &page.body["events"][0];
    assert_eq!(event["outcome"], "UNMATCHED");
    let test = format!("POST /api/relays/{id}/routing/test");
    let tried = world.admin(&test, json!({ "event": event["event"] })).await;
    assert_eq!((tried.status, &tried.body["matched"]), (200, &Value::Null));
    let theirs = world.call(&world.stranger, &path, Value::Null).await;
    assert_eq!(theirs.problem(), (404, "not_found"));
}
