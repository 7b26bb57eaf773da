//! Invitations.

use super::world::{Answer, Session, World, text};
use serde_json::{Value, json};

async fn invite(world: &World, host: &Session, role: &str) -> Value {
    let body = json!({ "role": role });
    let made = world
        .post("/auth/invitations")
        .bearer(&host.token)
        .json(&body)
        .send()
        .await;
    made.expect(201)
}

async fn accept(world: &World, guest: &Session, token: &str) -> Answer {
    let body = json!({ "token": token });
    world
        .post("/auth/invitations/accept")
        .bearer(&guest.token)
        .json(&body)
        .send()
        .await
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let (guest, late) = (
        world.sign_in("github-2").await,
        world.sign_in("github-3").await,
    );
    let made = invite(&world, &host, "DEVELOPER").await;
    let token = text(&made["invitation_token"]);
    assert!(token.starts_with("hcp_test_i_"));
    let listed = world
        .get("/auth/invitations")
        .bearer(&host.token)
        .send()
        .await
        .expect(200);
    assert_eq!(listed["invitations"][0], made["invitation"]);
    assert!(!world.everything().await.contains(&token[24..67]));

    let joined = accept(&world, &guest, &token).await.expect(201);
    assert_eq!(joined["role"], "DEVELOPER");
    assert_eq!(
        text(&joined["organisation"]["organisation_id"]),
        host.organisation
    );
    // The answer was lost, and the tool asks again.
    accept(&world, &guest, &token).await.expect(200);
    assert_eq!(accept(&world, &late, &token).await.status, 404);
    let listed = world
        .get("/auth/invitations")
        .bearer(&host.token)
        .send()
        .await
        .expect(200);
    assert_eq!(listed["invitations"], json!([]));
    let path = format!(
        "/auth/invitations/{}",
        text(&made["invitation"]["invitation_id"])
    );
    assert_eq!(
        world.delete(&path).bearer(&host.token).send().await.status,
        409
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_an_invitation_the_answer_is_the_same() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let revoked = invite(&world, &host, "VIEWER").await;
    let path = format!(
        "/auth/invitations/{}",
        text(&revoked["invitation"]["invitation_id"])
    );
    for _ in 0..2 {
        assert_eq!(
            world.delete(&path).bearer(&host.token).send().await.status,
            204
        );
    }
    let ended = invite(&world, &host, "VIEWER").await;
    world.api.clock.advance_seconds(7 * 24 * 3600);
    let guest = world.sign_in("github-2").await;
    let before = world.items().await;
    let mut first = None;
    for token in [
        text(&revoked["invitation_token"]),
        text(&ended["invitation_token"]),
        guest.token.clone(),
        "junk".to_owned(),
        String::new(),
    ] {
        let mut answer = accept(&world, &guest, &token).await;
        assert_eq!(answer.status, 404, "{token}: {}", answer.json);
        answer.json["instance"] = Value::Null;
        assert_eq!(
            first.get_or_insert_with(|| answer.json.clone()),
            &answer.json
        );
    }
    assert_eq!(world.items().await, before);
}

#[tokio::test]
async fn who_is_a_member_already_stays_what_they_are() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let viewer = world.join(&host, "VIEWER", "github-2").await;
    let token = text(&invite(&world, &host, "ADMIN").await["invitation_token"]);
    assert_eq!(
        accept(&world, &viewer, &token).await.expect(200)["role"],
        "VIEWER"
    );
    assert_eq!(
        accept(&world, &host, &token).await.expect(200)["role"],
        "OWNER"
    );
}

#[tokio::test]
async fn an_invitation_of_somebody_who_may_not_invite_any_more_is_not_good() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let admin = world.join(&host, "ADMIN", "github-2").await;
    let token = text(&invite(&world, &admin, "ADMIN").await["invitation_token"]);
    let path = format!("/auth/members/{}", admin.user_id);
    let gone = world.delete(&path).bearer(&host.token).send().await;
    assert_eq!(gone.status, 204);
    let guest = world.sign_in("github-3").await;
    assert_eq!(accept(&world, &guest, &token).await.status, 404);
}

#[tokio::test]
async fn an_invitation_is_accepted_by_a_person_and_revoked_in_its_own_organisation() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let made = invite(&world, &host, "VIEWER").await;
    let body = json!({ "name": "a", "scopes": ["admin"] });
    let guest = world.sign_in("github-2").await;
    let api_token = world
        .post("/auth/tokens")
        .bearer(&guest.token)
        .json(&body)
        .send()
        .await;
    let api_token = text(&api_token.expect(201)["api_token"]);
    let body = json!({ "token": made["invitation_token"] });
    let refused = world
        .post("/auth/invitations/accept")
        .bearer(&api_token)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "wrong_principal")
    );
    let path = format!(
        "/auth/invitations/{}",
        text(&made["invitation"]["invitation_id"])
    );
    assert_eq!(
        world.delete(&path).bearer(&guest.token).send().await.status,
        404
    );
    accept(&world, &guest, &text(&made["invitation_token"]))
        .await
        .expect(201);
}
