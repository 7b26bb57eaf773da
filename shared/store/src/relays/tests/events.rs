//! The events that a relay sent.

use super::*;

#[tokio::test]
async fn an_event_is_recorded_once_and_events_are_listed_page_by_page() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        let scope = store.tenant(&acme);
        for number in 1..=5 {
            let new = event(1, number, EventOutcome::Enqueued);
            assert_eq!(
                scope.record_event(&new, &write()).await.unwrap(),
                None,
                "{engine}"
            );
        }
        let other = scope
            .record_event(&event(1, 3, EventOutcome::Ignored), &write())
            .await;
        let there = other.unwrap().unwrap();
        assert_eq!(there, event(1, 3, EventOutcome::Enqueued), "{engine}");
        let one = scope
            .event(&relay_id(1), &there.event.event_id)
            .await
            .unwrap();
        assert_eq!(one.unwrap(), there, "{engine}");
        let none = scope
            .event(&relay_id(2), &there.event.event_id)
            .await
            .unwrap();
        assert_eq!(none, None, "{engine}");
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = scope.events(&relay_id(1), 2, after.as_ref()).await.unwrap();
            seen.extend(page.events.iter().map(|event| event.sequence));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [5, 4, 3, 2, 1], "{engine}");
    }
}

#[tokio::test]
async fn what_was_decided_on_an_event_is_kept_until_it_is_done_and_after() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        let scope = store.tenant(&acme);
        let action = json!({"action": "NOTIFY", "target": "releases"});
        let decided = RecordedEvent {
            action: serde_json::from_value(action).unwrap(),
            is_done: false,
            ..event(1, 1, EventOutcome::Notified)
        };
        let id = &decided.event.event_id;
        assert_eq!(scope.record_event(&decided, &write()).await.unwrap(), None);
        let there = scope.event(&relay_id(1), id).await.unwrap().unwrap();
        assert_eq!(there, decided, "{engine}");
        for _ in 0..2 {
            scope.finish_event(&relay_id(1), id).await.unwrap();
        }
        let done = RecordedEvent {
            is_done: true,
            ..decided.clone()
        };
        let there = scope.event(&relay_id(1), id).await.unwrap().unwrap();
        assert_eq!(there, done, "{engine}");
        scope.finish_event(&relay_id(2), id).await.unwrap();
        assert_eq!(
            scope.event(&relay_id(2), id).await.unwrap(),
            None,
            "{engine}"
        );
    }
}
