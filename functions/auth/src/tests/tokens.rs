//! API tokens.

use super::world::{NOW, Session, World, text};
use serde_json::{Value, json};

async fn make(world: &World, session: &Session, scopes: &[&str]) -> Value {
    let body = json!({ "name": "ci", "scopes": scopes });
    let made = world
        .post("/auth/tokens")
        .bearer(&session.token)
        .json(&body)
        .send()
        .await;
    made.expect(201)
}

#[tokio::test]
async fn a_token_is_shown_once_and_does_what_it_was_made_for() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let made = make(&world, &owner, &["jobs:read", "tokens:read"]).await;
    let token = text(&made["api_token"]);
    let end = NOW.plus_seconds(90 * 24 * 3600).to_string();
    assert_eq!(text(&made["token"]["expires_at"]), end);
    assert_eq!(text(&made["token"]["user_id"]), owner.user_id);
    let validated = world.validate(&token).await.expect(200);
    assert_eq!(validated["credential"], "TOKEN");
    assert_eq!(validated["scopes"], json!(["jobs:read", "tokens:read"]));
    assert_eq!(
        (&validated["name"], &validated["role"]),
        (&json!("ci"), &json!("OWNER"))
    );
    let listed = world
        .get("/auth/tokens")
        .bearer(&token)
        .send()
        .await
        .expect(200);
    assert_eq!(listed["tokens"][0]["key_id"], made["token"]["key_id"]);
    let secret = &token[24..67];
    assert!(!listed.to_string().contains(secret));
    assert!(!world.everything().await.contains(secret));
    assert_eq!(
        world
            .get("/auth/members")
            .bearer(&token)
            .send()
            .await
            .code(),
        "missing_scope"
    );
}

#[tokio::test]
async fn a_request_for_a_token_is_checked_to_the_last_field() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    for (body, pointer) in [
        (json!({ "scopes": ["jobs:read"] }), "/name"),
        (
            json!({ "name": "x".repeat(65), "scopes": ["jobs:read"] }),
            "/name",
        ),
        (
            json!({ "name": "a\u{202e}b", "scopes": ["jobs:read"] }),
            "/name",
        ),
        (json!({ "name": "a", "scopes": [] }), "/scopes"),
        (
            json!({ "name": "a", "scopes": ["jobs:read", "jobs:own"] }),
            "/scopes/1",
        ),
        (
            json!({ "name": "a", "scopes": ["queue:claim"] }),
            "/scopes/0",
        ),
        (
            json!({ "name": "a", "scopes": ["jobs:read", "jobs:read"] }),
            "/scopes/1",
        ),
        (
            json!({ "name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 59 }),
            "/expires_in_seconds",
        ),
        (
            json!({ "name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 31_536_001 }),
            "/expires_in_seconds",
        ),
        (
            json!({ "name": "a", "scopes": ["jobs:read"], "tenant": "acme" }),
            "/tenant",
        ),
    ] {
        let answer = world
            .post("/auth/tokens")
            .bearer(&owner.token)
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_goes_on_for_the_overlap_and_not_a_second_longer() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    for overlap in [1_u32, 10, 299, 300, 86_400] {
        let made = make(&world, &owner, &["jobs:read"]).await;
        let old = text(&made["api_token"]);
        // This process has just seen that it is good.
        world.validate(&old).await.expect(200);
        let path = format!("/auth/tokens/{}/rotate", text(&made["token"]["key_id"]));
        let body = json!({ "overlap_seconds": overlap });
        let session = world.sign_in("github-1").await;
        let rotate = world.post(&path).bearer(&session.token).json(&body);
        let new = text(&rotate.send().await.expect(201)["api_token"]);
        world.api.clock.advance_seconds(i64::from(overlap) - 1);
        world.validate(&old).await.expect(200);
        world.api.clock.advance_seconds(1);
        assert_eq!(world.validate(&old).await.status, 401, "{overlap}");
        world.validate(&new).await.expect(200);
    }
    let made = make(&world, &world.sign_in("github-1").await, &["jobs:read"]).await;
    let path = format!("/auth/tokens/{}/rotate", text(&made["token"]["key_id"]));
    let session = world.sign_in("github-1").await;
    let body = json!({ "overlap_seconds": 86_401 });
    let rotate = world.post(&path).bearer(&session.token).json(&body);
    let refused = rotate.send().await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json["errors"][0]["pointer"], "/overlap_seconds");
}

#[tokio::test]
async fn a_token_never_does_more_than_its_person_may_at_that_moment() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let developer = world.join(&owner, "DEVELOPER", "github-2").await;
    let body = json!({ "name": "a", "scopes": ["jobs:write", "audit:read"] });
    let refused = world
        .post("/auth/tokens")
        .bearer(&developer.token)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "missing_scope")
    );
    assert!(
        refused.json["detail"]
            .as_str()
            .unwrap()
            .contains("audit:read")
    );
    let made = make(&world, &developer, &["jobs:write", "jobs:read"]).await;
    let token = text(&made["api_token"]);
    let path = format!("/auth/members/{}", developer.user_id);
    let change = |role: &str| {
        let body = json!({ "role": role });
        world.put(&path).bearer(&owner.token).json(&body).send()
    };
    change("VIEWER").await.expect(200);
    let now = world.validate(&token).await.expect(200);
    assert_eq!(
        (&now["scopes"], &now["role"]),
        (&json!(["jobs:read"]), &json!("VIEWER"))
    );
    change("DEVELOPER").await.expect(200);
    let now = world.validate(&token).await.expect(200);
    assert_eq!(now["scopes"].as_array().unwrap().len(), 2);
    assert_eq!(
        world.delete(&path).bearer(&owner.token).send().await.status,
        204
    );
    assert_eq!(world.validate(&token).await.status, 401);
}

#[tokio::test]
async fn a_token_makes_no_others_for_its_person() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let made = make(&world, &owner, &["admin"]).await;
    let token = text(&made["api_token"]);
    let body = json!({ "name": "another", "scopes": ["admin"] });
    let refused = world
        .post("/auth/tokens")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "wrong_principal")
    );
    let path = format!("/auth/tokens/{}/rotate", text(&made["token"]["key_id"]));
    let refused = world.post(&path).bearer(&token).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "wrong_principal")
    );
    let path = format!("/auth/tokens/{}", text(&made["token"]["key_id"]));
    assert_eq!(world.delete(&path).bearer(&token).send().await.status, 204);
    assert_eq!(world.validate(&token).await.status, 401);
}

#[tokio::test]
async fn rotating_gives_a_new_token_and_the_old_one_goes_on_for_as_long_as_it_is_told() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    for (body, overlap) in [(json!({}), 86_400), (json!({ "overlap_seconds": 0 }), 0)] {
        let owner = world.sign_in("github-1").await;
        let made = make(&world, &owner, &["jobs:read"]).await;
        let path = format!("/auth/tokens/{}/rotate", text(&made["token"]["key_id"]));
        let rotated = world
            .post(&path)
            .bearer(&owner.token)
            .json(&body)
            .send()
            .await
            .expect(201);
        assert_eq!(rotated["token"]["scopes"], json!(["jobs:read"]));
        let (old, new) = (text(&made["api_token"]), text(&rotated["api_token"]));
        assert_eq!(world.validate(&new).await.status, 200);
        if overlap > 0 {
            assert_eq!(world.validate(&old).await.status, 200);
            world.api.clock.advance_seconds(overlap);
        }
        assert_eq!(world.validate(&old).await.status, 401);
        assert_eq!(world.validate(&new).await.status, 200);
        let owner = world.sign_in("github-1").await;
        let again = world.post(&path).bearer(&owner.token).send().await;
        assert_eq!(again.status, 409, "{}", again.json);
    }
    let _ = owner;
}

#[tokio::test]
async fn nobody_rotates_another_persons_token_and_administrators_revoke_it() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let developer = world.join(&owner, "DEVELOPER", "github-2").await;
    let viewer = world.join(&owner, "VIEWER", "github-3").await;
    let made = make(&world, &developer, &["jobs:read"]).await;
    let key_id = text(&made["token"]["key_id"]);
    let (path, rotate) = (
        format!("/auth/tokens/{key_id}"),
        format!("/auth/tokens/{key_id}/rotate"),
    );
    for other in [&owner, &viewer] {
        assert_eq!(
            world.post(&rotate).bearer(&other.token).send().await.status,
            404
        );
    }
    let list = |session: &Session| world.get("/auth/tokens").bearer(&session.token).send();
    assert_eq!(list(&viewer).await.expect(200)["tokens"], json!([]));
    assert_eq!(
        list(&owner).await.expect(200)["tokens"][0]["key_id"],
        key_id.as_str()
    );
    assert_eq!(
        world
            .delete(&path)
            .bearer(&viewer.token)
            .send()
            .await
            .status,
        404
    );
    assert_eq!(world.validate(&text(&made["api_token"])).await.status, 200);
    for _ in 0..2 {
        assert_eq!(
            world.delete(&path).bearer(&owner.token).send().await.status,
            204
        );
    }
    assert_eq!(world.validate(&text(&made["api_token"])).await.status, 401);
    assert_eq!(list(&owner).await.expect(200)["tokens"], json!([]));
}

#[tokio::test]
async fn a_person_has_a_hundred_tokens_and_not_one_more() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let limit = world.api.limits.tokens_of_person;
    let mut last = Value::Null;
    for _ in 0..limit {
        last = make(&world, &owner, &["jobs:read"]).await;
    }
    let body = json!({ "name": "a", "scopes": ["jobs:read"] });
    let full = world
        .post("/auth/tokens")
        .bearer(&owner.token)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (full.status.as_u16(), full.code()),
        (429, "too_many_requests")
    );
    assert!(full.headers.contains_key("retry-after"));
    let path = format!("/auth/tokens/{}", text(&last["token"]["key_id"]));
    let rotate = format!("{path}/rotate");
    // Two that are good at the same time are one too many; one that is replaced at once is not.
    let call = world.post(&rotate).bearer(&owner.token);
    assert_eq!(call.send().await.code(), "too_many_requests");
    let at_once = json!({ "overlap_seconds": 0 });
    let call = world.post(&rotate).bearer(&owner.token).json(&at_once);
    let last = call.send().await.expect(201);
    let path = format!("/auth/tokens/{}", text(&last["token"]["key_id"]));
    assert_eq!(
        world.delete(&path).bearer(&owner.token).send().await.status,
        204
    );
    make(&world, &owner, &["jobs:read"]).await;
}
