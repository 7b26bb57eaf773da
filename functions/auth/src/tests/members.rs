//! Members of an organisation, and what they are in it.

use super::world::{Answer, Session, World, text};
use serde_json::json;

async fn set_role(world: &World, by: &Session, of: &Session, role: &str) -> Answer {
    let path = format!("/auth/members/{}", of.user_id);
    let body = json!({ "role": role });
    world.put(&path).bearer(&by.token).json(&body).send().await
}

async fn remove(world: &World, by: &Session, of: &Session) -> Answer {
    let path = format!("/auth/members/{}", of.user_id);
    world.delete(&path).bearer(&by.token).send().await
}

#[tokio::test]
async fn members_are_listed_with_what_they_are() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    world.api.clock.advance_seconds(1);
    let viewer = world.join(&owner, "viewer", "google-2").await;
    let listed = world
        .get("/auth/members")
        .bearer(&viewer.token)
        .send()
        .await
        .expect(200);
    let members: Vec<_> = listed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| {
            (
                member["display_name"].as_str().unwrap(),
                member["role"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(members, [("Person 2", "VIEWER"), ("User 1", "OWNER")]);
}

#[tokio::test]
async fn a_new_role_counts_from_the_next_request_on() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let member = world.join(&owner, "VIEWER", "github-2").await;
    assert_eq!(
        set_role(&world, &member, &owner, "VIEWER").await.code(),
        "missing_scope"
    );
    for _ in 0..2 {
        let changed = set_role(&world, &owner, &member, "admin").await.expect(200);
        assert_eq!(changed["role"], "ADMIN");
    }
    let validated = world.validate(&member.token).await.expect(200);
    assert_eq!(
        (&validated["role"], &validated["scopes"]),
        (&json!("ADMIN"), &json!(["admin"]))
    );
}

#[tokio::test]
async fn what_concerns_owners_is_for_owners_alone() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let admin = world.join(&owner, "ADMIN", "github-2").await;
    let viewer = world.join(&owner, "VIEWER", "github-3").await;
    for answer in [
        set_role(&world, &admin, &admin, "OWNER").await,
        set_role(&world, &admin, &owner, "VIEWER").await,
        remove(&world, &admin, &owner).await,
        world
            .post("/auth/invitations")
            .bearer(&admin.token)
            .json(&json!({ "role": "OWNER" }))
            .send()
            .await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, "wrong_principal")
        );
    }
    set_role(&world, &admin, &viewer, "DEVELOPER")
        .await
        .expect(200);
    assert_eq!(remove(&world, &admin, &viewer).await.status, 204);
    set_role(&world, &owner, &admin, "OWNER").await.expect(200);
    assert_eq!(remove(&world, &admin, &owner).await.status, 204);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let other = world.join(&owner, "ADMIN", "github-2").await;
    let leave = format!("/auth/organisations/{}/leave", owner.organisation);
    for answer in [
        set_role(&world, &owner, &owner, "ADMIN").await,
        remove(&world, &owner, &owner).await,
        world.post(&leave).bearer(&owner.token).send().await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "last_owner"));
    }
    set_role(&world, &owner, &other, "OWNER").await.expect(200);
    assert_eq!(
        set_role(&world, &owner, &owner, "VIEWER").await.expect(200)["role"],
        "VIEWER"
    );
    assert_eq!(
        set_role(&world, &other, &other, "VIEWER").await.code(),
        "last_owner"
    );
}

#[tokio::test]
async fn who_is_removed_opens_nothing_at_their_next_request_and_keeps_their_own() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let home = world.sign_in("github-2").await;
    let member = world.join(&owner, "DEVELOPER", "github-2").await;
    assert_eq!(remove(&world, &owner, &member).await.status, 204);
    assert_eq!(world.validate(&member.token).await.status, 401);
    assert_eq!(world.validate(&home.token).await.status, 200);
    assert_eq!(remove(&world, &owner, &member).await.status, 404);
    assert_eq!(
        set_role(&world, &owner, &member, "VIEWER").await.status,
        404
    );
    let stranger = world.sign_in("github-3").await;
    assert_eq!(remove(&world, &owner, &stranger).await.status, 404);
    assert_eq!(remove(&world, &stranger, &owner).await.status, 404);
}

#[tokio::test]
async fn an_unknown_role_is_answered_with_those_that_there_are() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let answer = set_role(&world, &owner, &owner, "GOD").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json["errors"][0]["pointer"], "/role");
}

#[tokio::test]
async fn no_token_decides_who_is_in_an_organisation() {
    let world = World::new().await;
    let owner = world.sign_in("github-1").await;
    let member = world.join(&owner, "VIEWER", "github-2").await;
    let body = json!({ "name": "leaked", "scopes": ["admin"] });
    let made = world.post("/auth/tokens").bearer(&owner.token).json(&body);
    let token = Session {
        token: text(&made.send().await.expect(201)["api_token"]),
        ..owner.clone()
    };
    let invite = |by: &Session, role: &str| {
        let call = world.post("/auth/invitations").bearer(&by.token);
        call.json(&json!({ "role": role })).send()
    };
    let invited = invite(&owner, "VIEWER").await.expect(201);
    let invitation = text(&invited["invitation"]["invitation_id"]);
    let revoke = format!("/auth/invitations/{invitation}");
    let before = world.items().await;
    for role in ["OWNER", "ADMIN", "DEVELOPER", "VIEWER"] {
        for refused in [
            set_role(&world, &token, &member, role).await,
            invite(&token, role).await,
        ] {
            assert_eq!(refused.code(), "wrong_principal", "{role}");
        }
    }
    for refused in [
        remove(&world, &token, &member).await,
        world.delete(&revoke).bearer(&token.token).send().await,
    ] {
        assert_eq!(refused.code(), "wrong_principal");
    }
    assert_eq!(world.items().await, before);
    // It sees who is there, as anybody does.
    for path in ["/auth/members", "/auth/invitations"] {
        world
            .get(path)
            .bearer(&token.token)
            .send()
            .await
            .expect(200);
    }
    // Nor is a token made that looks as if it could.
    let body = json!({ "name": "ci", "scopes": ["members:read", "members:write"] });
    let made = world.post("/auth/tokens").bearer(&owner.token).json(&body);
    let refused = made.send().await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json["errors"][0]["pointer"], "/scopes/1");
}
