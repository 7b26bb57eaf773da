//! The store's answers are lost, at each write.

use super::*;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use embedded_dynamodb::{Call, Fault};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::AuditFilter;

/// The same plane, where of each call of that kind the answer to the first try is lost, and the SDK tries again.
fn losing(world: &World, operation: &'static str) -> World {
    let is_lost = AtomicBool::new(false);
    let policy = move |call: &Call<'_>| {
        if call.operation == operation && !is_lost.fetch_xor(true, Ordering::SeqCst) {
            Fault::DropAfter
        } else {
            Fault::None
        }
    };
    let retries = RetryConfig::standard()
        .with_max_attempts(2)
        .with_initial_backoff(Duration::from_millis(1));
    let config = world.engine.config_with(policy).retry_config(retries);
    let client = Client::from_conf(config.build());
    let meter = telemetry::Meter::default();
    let api = Api {
        store: Store::new(client, Tables::default(), meter),
        ..world.api.clone()
    };
    let routes = crate::routes(api.clone(), world.roles.clone());
    World {
        engine: world.engine.clone(),
        app: web::app(routes.into_parts().0),
        api,
        roles: world.roles.clone(),
        sts: world.sts.clone(),
        acme: world.acme.clone(),
        admin: world.admin.clone(),
        stranger: world.stranger.clone(),
    }
}

#[tokio::test]
async fn whoever_loses_an_answer_of_the_store_does_everything_once() {
    let sound = World::new().await;
    for lost in ["TransactWriteItems", "PutItem", "UpdateItem"] {
        let world = losing(&sound, lost);
        let relay = world.relay().await;
        let id = relay.relay_id.as_str();
        assert_eq!(world.beat(&relay).await.status, 200, "{lost}");
        let path = format!("/api/relays/{id}/rotate-key");
        let body = json!({ "public_key": public(&signing_key(2)) });
        let rotated = world.signed(&relay, &path, body).await;
        assert_eq!(rotated.status, 200, "{lost}: {}", rotated.body);
        let shown = sound.show(id).await;
        assert_eq!(shown.text("/relay/current_key"), rotated.text("/key_id"));
        assert_eq!(shown.text("/relay/previous_key"), relay.key_id);
        let path = format!("POST /api/relays/{id}/rotate-key");
        let token = world.admin(&path, Value::Null).await;
        let token = format!("Bearer {}", token.text("/enrolment_token"));
        let enrolled = world.enrol(&token, &signing_key(3)).await;
        assert_eq!(enrolled.status, 200, "{lost}: {}", enrolled.body);
        let path = format!("PUT /api/relays/{id}/routing");
        let body = json!({ "tools": { "github": [] } });
        let put = world.admin(&path, body).await;
        assert_eq!(put.body["version"], 1, "{lost}: {}", put.body);
        let path = format!("DELETE /api/relays/{id}");
        assert_eq!(world.admin(&path, Value::Null).await.status, 204, "{lost}");
        assert_eq!(sound.show(id).await.status, 404, "{lost}");
    }
    let tenant = sound.api.store.tenant(&sound.acme);
    let all = AuditFilter::default();
    let page = tenant.audit_records(&all, 100, None).await;
    let records = page.unwrap().records;
    let done = records.iter().map(|record| record.action.as_str());
    let mut done: Vec<_> = done.collect();
    done.sort_unstable();
    let each = [
        "relay.create",
        "relay.delete",
        "relay.enrol",
        "relay.enrol",
        "relay.rotate",
        "relay.rotate",
        "relay.routing",
    ];
    let expected: Vec<_> = each.iter().flat_map(|action| [*action; 3]).collect();
    assert_eq!(done, expected, "each is recorded once");
}
