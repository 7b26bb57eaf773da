//! Relays say that they are there.

use super::*;
use serde_json::json;
use store::TenantStore;

const PATH: &str = "/api/relays/heartbeat";

#[tokio::test]
async fn a_relays_health_follows_what_it_says_and_how_its_queue_is_read() {
    let world = World::new().await;
    let relay = world.relay().await;
    let id = &relay.relay_id;
    assert_eq!(world.health(id).await, "PENDING");
    let answer = world.beat(&relay).await;
    assert_eq!((answer.status, answer.text("/health")), (200, "HEALTHY"));
    assert_eq!(answer.body["next_heartbeat_seconds"], 60);
    assert_eq!(answer.text("/relay_id"), id);
    let shown = world.show(id).await;
    assert_eq!(shown.body["relay"]["heartbeat"]["queue_depth"], 4);
    for broken in ["queue_reachable", "vault_reachable"] {
        let mut body = heartbeat();
        body[broken] = json!(false);
        let answer = world.signed(&relay, PATH, body).await;
        assert_eq!(answer.text("/health"), "DEGRADED", "{broken}");
    }
    world.beat(&relay).await;
    let tenant: TenantStore<'_> = world.api.store.tenant(&world.acme);
    for (failure, health) in [(Some("denied"), "DEGRADED"), (None, "HEALTHY")] {
        let polled = domain::relay::Polled {
            at: NOW,
            failure: failure.map(str::to_owned),
        };
        let id = id.parse().unwrap();
        tenant.note_relay_poll(&id, &polled).await.unwrap();
        assert_eq!(world.health(&relay.relay_id).await, health);
    }
    world.api.clock.advance_seconds(180);
    assert_eq!(world.health(id).await, "HEALTHY");
    world.api.clock.advance_seconds(1);
    assert_eq!(world.health(id).await, "OFFLINE");
    world.beat(&relay).await;
    assert_eq!(world.health(id).await, "HEALTHY");
}

#[tokio::test]
async fn a_request_that_was_seen_before_keeps_no_relay_alive() {
    let world = World::new().await;
    let relay = world.relay().await;
    let sign = || world.sign(&relay, PATH, &heartbeat(), "the-same-nonce-twice");
    assert_eq!(send(&world.app, sign()).await.status, 200);
    let again = sign();
    world.api.clock.advance_seconds(200);
    let replayed = send(&world.app, again).await;
    assert_eq!(replayed.problem(), (401, "unauthenticated"));
    assert_eq!(world.health(&relay.relay_id).await, "OFFLINE");
}

#[tokio::test]
async fn what_is_not_signed_as_it_should_be_is_refused() {
    let world = World::new().await;
    let relay = world.relay().await;
    let good = || world.sign(&relay, PATH, &heartbeat(), &world.nonce());
    let refused = async |change: fn(&mut Request<Body>)| {
        let mut request = good();
        change(&mut request);
        let answer = send(&world.app, request).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"));
        answer
    };
    refused(|request| *request.body_mut() = Body::from("{}")).await;
    refused(|request| {
        let headers = request.headers_mut();
        headers.remove(SIGNED_SIGNATURE);
    })
    .await;
    refused(|request| {
        let headers = request.headers_mut();
        headers.insert(
            SIGNED_NONCE,
            "another-nonce-of-the-right-form".parse().unwrap(),
        );
    })
    .await;
    refused(|request| {
        let headers = request.headers_mut();
        headers.insert("host", "evil.example".parse().unwrap());
    })
    .await;
    refused(|request| {
        let headers = request.headers_mut();
        headers.insert("authorization", "Bearer hcp_test".parse().unwrap());
    })
    .await;
    refused(|request| {
        let headers = request.headers_mut();
        headers.insert("cookie", "__Host-hcp_session=x".parse().unwrap());
    })
    .await;
    let elsewhere = world.sign(&relay, "/api/relays/enrol", &heartbeat(), &world.nonce());
    let (mut parts, body) = elsewhere.into_parts();
    parts.uri = PATH.parse().unwrap();
    let answer = send(&world.app, Request::from_parts(parts, body)).await;
    assert_eq!(answer.status, 401, "signed for another path");
    let late = good();
    world.api.clock.advance_seconds(301);
    let answer = send(&world.app, late).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"));
    assert!(answer.text("/detail").contains("too far from"));
    assert_eq!(send(&world.app, good()).await.status, 200);
}

#[tokio::test]
async fn people_and_others_send_no_heartbeats() {
    let world = World::new().await;
    let answer = world
        .call(&world.admin, &format!("POST {PATH}"), heartbeat())
        .await;
    assert_eq!(answer.problem(), (403, "wrong_principal"));
    let relay = world.relay().await;
    let mut body = heartbeat();
    body["commit_message"] = json!("hello");
    let answer = world.signed(&relay, PATH, body).await;
    assert_eq!(answer.pointers(), ["/commit_message"]);
    assert_eq!(world.beat(&relay).await.status, 200);
}
