//! Keys: brought with a token, replaced, ended.

use super::*;
use serde_json::json;

const HEARTBEAT: &str = "/api/relays/heartbeat";

#[tokio::test]
async fn a_token_brings_one_key_and_may_bring_the_same_again() {
    let world = World::new().await;
    let (id, token) = world.register(request()).await;
    let (key, other) = (signing_key(1), signing_key(2));
    let first = world.enrol(&token, &key).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.text("/relay_id"), id);
    assert_eq!(first.body["heartbeat_interval_seconds"], 60);
    let year = NOW.plus_seconds(365 * 24 * 3600).to_string();
    assert_eq!(first.text("/expires_at"), year);
    let again = world.enrol(&token, &key).await;
    assert_eq!((again.status, again.body), (200, first.body));
    let refused = world.enrol(&token, &other).await;
    assert_eq!(refused.problem(), (401, "unauthenticated"));
    assert_eq!(world.show(&id).await.text("/relay/health"), "PENDING");
}

#[tokio::test]
async fn of_two_enrolments_at_once_one_wins_unless_they_bring_the_same_key() {
    let world = World::new().await;
    let (_, token) = world.register(request()).await;
    let (one, other) = (signing_key(1), signing_key(2));
    let (first, second) = tokio::join!(world.enrol(&token, &one), world.enrol(&token, &other));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);

    let (_, token) = world.register(request()).await;
    let (first, second) = tokio::join!(world.enrol(&token, &one), world.enrol(&token, &one));
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn an_enrolment_token_is_good_for_a_day_and_for_nothing_else() {
    let world = World::new().await;
    let (id, token) = world.register(request()).await;
    for operation in [
        "GET /api/relays".to_owned(),
        format!("GET /api/relays/{id}"),
        "POST /api/relays/register".to_owned(),
    ] {
        let answer = world.call(&token, &operation, request()).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"), "{operation}");
    }
    for operation in [
        format!("POST {HEARTBEAT}"),
        format!("POST /api/relays/{id}/rotate-key"),
    ] {
        let answer = world.call(&token, &operation, heartbeat()).await;
        assert_eq!(answer.problem(), (403, "wrong_principal"), "{operation}");
    }
    world.api.clock.advance_seconds(24 * 3600);
    let late = world.enrol(&token, &signing_key(1)).await;
    assert_eq!(late.problem(), (401, "unauthenticated"));
}

#[tokio::test]
async fn what_is_no_public_key_is_refused_and_the_token_stays_good() {
    let world = World::new().await;
    let (_, token) = world.register(request()).await;
    for bad in ["", "AAAA", &BASE64.encode(&[0; 32]), &"x".repeat(44)] {
        let body = json!({ "public_key": bad });
        let answer = world.call(&token, "POST /api/relays/enrol", body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec!["/public_key"]),
            "{bad}"
        );
    }
    assert_eq!(world.enrol(&token, &signing_key(1)).await.status, 200);
}

#[tokio::test]
async fn a_relay_replaces_its_key_and_the_old_one_is_good_for_a_day() {
    let world = World::new().await;
    let old = world.relay().await;
    let shown = world.show(&old.relay_id).await;
    assert_eq!(shown.text("/relay/current_key"), old.key_id);
    assert_eq!(shown.body["relay"]["previous_key"], Value::Null, "none yet");
    let path = format!("/api/relays/{}/rotate-key", old.relay_id);
    let body = json!({ "public_key": public(&signing_key(2)) });
    let answer = world.signed(&old, &path, body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let new = Signing {
        key_id: answer.text("/key_id").to_owned(),
        key: signing_key(2),
        ..old.clone()
    };
    assert_eq!(world.beat(&new).await.status, 200);
    assert_eq!(world.beat(&old).await.status, 200);
    // The answer was lost: the same again, signed with the old key.
    let again = world.signed(&old, &path, body.clone()).await;
    assert_eq!((again.status, &again.body), (200, &answer.body));
    // But the old key brings no other any more.
    let another = json!({ "public_key": public(&signing_key(3)) });
    let refused = world.signed(&old, &path, another).await;
    assert_eq!(refused.problem(), (409, "illegal_transition"));
    assert!(refused.text("/detail").contains("was replaced before"));
    // Nor is the old key ended early by a third.
    let third = json!({ "public_key": public(&signing_key(3)) });
    let refused = world.signed(&new, &path, third).await;
    assert_eq!(refused.problem(), (409, "illegal_transition"));
    assert!(refused.text("/detail").contains("is good until"));
    assert_eq!(world.beat(&old).await.status, 200);
    let same = world.signed(&new, &path, body).await;
    assert_eq!(same.pointers(), ["/public_key"], "the key itself");
    let shown = world.show(&old.relay_id).await;
    assert_eq!(shown.text("/relay/current_key"), new.key_id);
    assert_eq!(shown.text("/relay/previous_key"), old.key_id);
    world.api.clock.advance_seconds(24 * 3600);
    assert_eq!(world.beat(&old).await.status, 401);
    assert_eq!(world.beat(&new).await.status, 200);
    let shown = world.show(&old.relay_id).await;
    assert_eq!(shown.body["relay"]["previous_key"], Value::Null);
}

#[tokio::test]
async fn in_an_incident_the_key_ends_at_once() {
    let world = World::new().await;
    let stolen = world.relay().await;
    let path = format!("POST /api/relays/{}/rotate-key", stolen.relay_id);
    let answer = world.admin(&path, json!({ "overlap_seconds": 0 })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        world.beat(&stolen).await.status,
        401,
        "before there is another"
    );
    let token = format!("Bearer {}", answer.text("/enrolment_token"));
    let key = signing_key(2);
    let enrolled = world.enrol(&token, &key).await;
    let next = Signing {
        key_id: enrolled.text("/key_id").to_owned(),
        key,
        ..stolen.clone()
    };
    assert_eq!(world.beat(&next).await.status, 200);
    assert_eq!(world.beat(&stolen).await.status, 401);
    assert_eq!(world.enrol(&token, &next.key).await.status, 200);

    // The relay itself can do the same.
    let own = format!("/api/relays/{}/rotate-key", next.relay_id);
    let body = json!({ "public_key": public(&signing_key(3)), "overlap_seconds": 0 });
    assert_eq!(world.signed(&next, &own, body).await.status, 200);
    assert_eq!(world.beat(&next).await.status, 401);
    let again = world.enrol(&token, &next.key).await;
    assert_eq!(again.problem(), (401, "unauthenticated"), "it has ended");
}

#[tokio::test]
async fn a_person_gives_a_relay_a_token_for_its_next_key() {
    let world = World::new().await;
    let old = world.relay().await;
    let path = format!("POST /api/relays/{}/rotate-key", old.relay_id);
    let first = world.admin(&path, Value::Null).await;
    let second = world.admin(&path, json!({})).await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(world.beat(&old).await.status, 200, "until there is another");
    let bearer = |answer: &Answer| format!("Bearer {}", answer.text("/enrolment_token"));
    let refused = world.enrol(&bearer(&first), &signing_key(2)).await;
    assert_eq!(refused.status, 401, "the second took its place");
    let enrolled = world.enrol(&bearer(&second), &signing_key(2)).await;
    assert_eq!(enrolled.status, 200);
    assert_eq!(world.beat(&old).await.status, 200, "for a day");
    let theirs = world.call(&world.stranger, &path, Value::Null).await;
    assert_eq!(theirs.problem(), (404, "not_found"));
    let body = json!({ "public_key": public(&signing_key(3)) });
    assert_eq!(world.admin(&path, body).await.pointers(), ["/public_key"]);
    let body = json!({ "overlap_seconds": 86_401 });
    assert_eq!(
        world.admin(&path, body).await.pointers(),
        ["/overlap_seconds"]
    );
}

#[tokio::test]
async fn a_key_ends_after_a_year() {
    let world = World::new().await;
    let relay = world.relay().await;
    world.api.clock.advance_seconds(365 * 24 * 3600 - 1);
    assert_eq!(world.beat(&relay).await.status, 200);
    world.api.clock.advance_seconds(1);
    assert_eq!(world.beat(&relay).await.status, 401);
}

#[tokio::test]
async fn a_relay_signs_for_itself_alone() {
    let world = World::new().await;
    let (one, other) = (world.relay().await, world.relay().await);
    let path = format!("/api/relays/{}/rotate-key", other.relay_id);
    let body = json!({ "public_key": public(&signing_key(9)) });
    let answer = world.signed(&one, &path, body).await;
    assert_eq!(answer.problem(), (404, "not_found"));
    // A key id of one with the key of the other, and of something that is no relay's key.
    let admin_key = &world.admin["Bearer hcp_test_u_".len()..][..12];
    for key_id in [other.key_id.as_str(), admin_key, "zzzzzzzzzzzz"] {
        let mixed = Signing {
            key_id: key_id.to_owned(),
            key: signing_key(7),
            ..one.clone()
        };
        assert_eq!(world.beat(&mixed).await.problem(), (401, "unauthenticated"));
    }
}
