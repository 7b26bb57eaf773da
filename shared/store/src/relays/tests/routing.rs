//! Routing rules.

use super::*;

#[tokio::test]
async fn rules_are_written_over_the_version_that_was_seen_and_no_other() {
    for (engine, store) in stores().await {
        let acme = tenant("acme");
        create(&store, &acme, 1, None).await;
        let scope = store.tenant(&acme);
        let id = relay_id(1);
        assert_eq!(scope.routing(&id).await.unwrap(), Routing::default());
        let put = async |target: &str, seen: u64| {
            let (document, write) = (rules(target), write());
            scope
                .put_routing(&id, &document, seen, &write)
                .await
                .unwrap()
        };
        assert_eq!(put("a", 0).await, RoutingOutcome::Written(1), "{engine}");
        assert_eq!(put("b", 0).await, RoutingOutcome::Stale, "{engine}");
        assert_eq!(put("b", 1).await, RoutingOutcome::Written(2), "{engine}");
        assert_eq!(put("c", 1).await, RoutingOutcome::Stale, "{engine}");
        let there = scope.routing(&id).await.unwrap();
        assert_eq!((there.version, there.document), (2, rules("b")), "{engine}");
        let unknown = scope
            .put_routing(&relay_id(2), &rules("a"), 0, &write())
            .await;
        assert_eq!(unknown.unwrap(), RoutingOutcome::Unknown, "{engine}");
        scope.delete_relay(&id, &write()).await.unwrap();
        assert_eq!(
            scope.routing(&id).await.unwrap(),
            Routing::default(),
            "{engine}"
        );
    }
}
