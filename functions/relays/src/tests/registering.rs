//! Relays are set up, seen, and taken away.

use super::*;
use domain::relay::Relay;
use store::{KeyId, NewRelayEnrolment, RelayCreation};
use wire::RelayId;

#[tokio::test]
async fn a_relay_is_registered_with_an_external_id_and_a_token_that_are_ours() {
    let world = World::new().await;
    let body = request();
    let answer = world.admin("POST /api/relays/register", body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let relay = &answer.body["relay"];
    let external_id = answer.text("/relay/external_id");
    let digits = external_id.strip_prefix("hcp-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(answer.text("/enrolment_token").starts_with("hcp_test_e_"));
    assert_eq!(relay["health"], "PENDING");
    assert_eq!(relay["inbound_queue"], sqs(QUEUE));
    assert_eq!(relay["current_key"], Value::Null);
    let id = answer.text("/relay/relay_id");
    let shown = world.show(id).await;
    assert_eq!(shown.body["relay"], *relay, "the token is not shown again");
    // Tried without an ExternalId, and with one that is not the relay's.
    let asked = world.sts.asked();
    assert_eq!(asked.len(), 2);
    assert!(!asked[0].contains("externalid"));
    assert!(asked[1].contains("externalid=hcp-") && !asked[1].contains(external_id));
    let other = world.register(request()).await;
    let other = world.show(&other.0).await;
    assert_ne!(other.text("/relay/external_id"), external_id);
}

#[tokio::test]
async fn a_role_that_lets_others_in_is_refused_and_nothing_is_written() {
    let world = World::new().await;
    for (role, how) in [
        ("hybrid-ci-open", "without an ExternalId"),
        ("hybrid-ci-any", "with a wrong ExternalId"),
    ] {
        let body = with_role(&format!("arn:aws:iam::123456789012:role/{role}"));
        let answer = world.admin("POST /api/relays/register", body).await;
        assert_eq!(answer.problem(), (400, "role_open"));
        assert!(answer.text("/detail").contains(how), "{}", answer.body);
    }
    let down = with_role("arn:aws:iam::123456789012:role/hybrid-ci-down");
    let answer = world.admin("POST /api/relays/register", down).await;
    assert_eq!(answer.problem(), (503, "busy"));
    assert!(answer.headers.contains_key("retry-after"));
    let list = world.admin("GET /api/relays", Value::Null).await;
    assert_eq!(list.body["relays"], json!([]));
}

#[tokio::test]
async fn a_role_and_a_queue_without_one_belong_to_one_organisation() {
    let world = World::new().await;
    let operation = "POST /api/relays/register";
    world.register(request()).await;
    let answer = world.call(&world.stranger, operation, request()).await;
    assert_eq!(answer.problem(), (409, "role_taken"));
    world.register(request()).await;
    world.register(without_role()).await;
    let answer = world.call(&world.stranger, operation, without_role()).await;
    assert_eq!(answer.problem(), (409, "queue_taken"));
    let list = world
        .call(&world.stranger, "GET /api/relays", Value::Null)
        .await;
    assert_eq!(list.body["relays"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_reached_is_refused_with_every_fault() {
    let world = World::new().await;
    let refused = async |change: fn(&mut Value)| {
        let mut body = request();
        change(&mut body);
        let answer = world.admin("POST /api/relays/register", body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        answer.pointers().join(" ")
    };
    let said = refused(|body| body["role_arn"] = json!("arn:aws:iam::123456789012:role/admin"));
    assert_eq!(said.await, "/role_arn");
    let said = refused(|body| {
        body["inbound_queue"]["address"] = json!("https://169.254.169.254/123456789012/events");
        body["decision_queue"]["address"] = json!("http://sqs.eu-central-1.amazonaws.com/1/a");
    });
    assert_eq!(said.await, "/inbound_queue/address /decision_queue/address");
    let said = refused(|body| body["vault"] = json!("https://vault.example.com/secret"));
    assert_eq!(said.await, "/vault");
    let said = refused(|body| {
        body.as_object_mut().unwrap().remove("role_arn");
    });
    assert_eq!(said.await, "/decision_queue", "decisions take a role");
    let said = refused(|body| {
        body["decision_queue"] = body["inbound_queue"].clone();
        body["dead_letter_queue"] = body["inbound_queue"].clone();
    });
    assert_eq!(said.await, "/decision_queue /dead_letter_queue");
    let said = refused(|body| body["external_id"] = json!("hcp-mine"));
    assert_eq!(said.await, "/external_id");
    let said = refused(|body| {
        body["inbound_queue"] = json!({
            "provider": "AZURE_SERVICE_BUS", "address": "https://example.servicebus.windows.net/events",
        });
    });
    assert_eq!(said.await, "/inbound_queue", "without a federation");
    let said = refused(|body| {
        body["inbound_queue"] =
            json!({ "provider": "GCP_PUBSUB", "address": "projects/example/topics/events" });
        body["federation"] = json!({
            "kind": "GCP",
            "workload_provider": "projects/123/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane",
        });
        body.as_object_mut().unwrap().remove("decision_queue");
    });
    assert_eq!(
        said.await,
        "/inbound_queue/address /role_arn",
        "a topic is not read from, and a role is for AWS"
    );
    assert_eq!(world.sts.asked(), Vec::<String>::new(), "checked before");
}

#[tokio::test]
async fn relays_are_listed_newest_first_page_by_page_each_organisation_its_own() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        world.api.clock.advance_seconds(1);
        ids.insert(0, world.register(request()).await.0);
    }
    let page = world.admin("GET /api/relays?limit=2", Value::Null).await;
    let cursor = page.text("/next_cursor");
    let rest = format!("GET /api/relays?limit=2&cursor={cursor}");
    let rest = world.admin(&rest, Value::Null).await;
    assert_eq!(rest.body["next_cursor"], Value::Null);
    let pages = [&page, &rest].into_iter();
    let relays = pages.flat_map(|page| page.body["relays"].as_array().unwrap());
    let seen: Vec<_> = relays
        .map(|relay| relay["relay_id"].as_str().unwrap())
        .collect();
    assert_eq!(seen, ids);
    let theirs = format!("GET /api/relays?cursor={cursor}");
    let theirs = world.call(&world.stranger, &theirs, Value::Null).await;
    assert_eq!(theirs.problem(), (400, "invalid_cursor"));
}

#[tokio::test]
async fn a_relay_that_is_deleted_is_gone_with_its_keys_and_its_rules() {
    let world = World::new().await;
    let relay = world.relay().await;
    let path = format!("/api/relays/{}", relay.relay_id);
    let delete = format!("DELETE {path}");
    let theirs = world.call(&world.stranger, &delete, Value::Null).await;
    assert_eq!(theirs.problem(), (404, "not_found"));
    assert_eq!(world.beat(&relay).await.status, 200);
    let deleted = world.admin(&delete, Value::Null).await;
    assert_eq!(deleted.status, 204);
    for operation in [
        format!("GET {path}"),
        format!("DELETE {path}"),
        format!("GET {path}/routing"),
        format!("GET {path}/events"),
        format!("POST {path}/rotate-key"),
    ] {
        let answer = world.admin(&operation, Value::Null).await;
        assert_eq!(answer.problem(), (404, "not_found"), "{operation}");
    }
    assert_eq!(world.beat(&relay).await.problem(), (401, "unauthenticated"));
}

#[tokio::test]
async fn an_organisation_may_have_a_hundred_relays() {
    let world = World::new().await;
    let (id, _) = world.register(without_role()).await;
    let tenant = world.api.store.tenant(&world.acme);
    let first = tenant.relay(&id.parse().unwrap()).await.unwrap().unwrap();
    for _ in 1..store::MAX_RELAYS {
        let relay_id = RelayId::new(NOW, world.api.entropy.bytes());
        let enrolment = NewRelayEnrolment {
            key_id: KeyId::new(world.api.entropy.bytes()),
            secret_sha256: [0; 32],
            relay_id: relay_id.clone(),
            expires_at: NOW,
            overlap_seconds: 0,
        };
        let relay = Relay {
            relay_id,
            ..first.clone()
        };
        let write_id = world.api.write_id();
        let created = tenant.create_relay(&relay, &enrolment, &write_id).await;
        assert_eq!(created.unwrap(), RelayCreation::Created);
    }
    let one_more = world
        .admin("POST /api/relays/register", without_role())
        .await;
    assert_eq!(one_more.problem(), (429, "too_many_requests"));
}

#[tokio::test]
async fn a_plane_without_sts_takes_no_roles() {
    let world = World::new().await;
    let routes = crate::routes(world.api.clone(), RoleGuard::off());
    let world = World {
        app: web::app(routes.into_parts().0),
        ..world
    };
    let answer = world.admin("POST /api/relays/register", request()).await;
    assert_eq!(answer.problem(), (409, "not_configured"));
}
