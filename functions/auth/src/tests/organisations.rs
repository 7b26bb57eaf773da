//! A person in several organisations.

use super::world::{ORIGIN, World, text};
use store::SESSION_SECONDS;

const SESSION: &str = auth::cookie::SESSION;

#[tokio::test]
async fn who_switches_has_a_new_session_and_the_old_one_has_ended() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let home = world.sign_in("github-2").await;
    let there = world.join(&host, "VIEWER", "github-2").await;
    let validated = world.validate(&there.token).await.expect(200);
    assert_eq!(
        (text(&validated["organisation_id"]), &validated["role"]),
        (host.organisation.clone(), &"VIEWER".into())
    );
    let listed = world
        .get("/auth/organisations")
        .bearer(&there.token)
        .send()
        .await
        .expect(200);
    assert_eq!(listed["organisations"].as_array().unwrap().len(), 2);
    assert_eq!(text(&listed["current"]), host.organisation);
    let back = world.switch(&there, &home.organisation).await;
    assert_eq!(world.validate(&there.token).await.status, 401);
    assert_eq!(
        world.validate(&back.token).await.expect(200)["role"],
        "OWNER"
    );
}

#[tokio::test]
async fn a_browser_that_switches_is_given_the_new_session_in_its_cookie_alone() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    world.join(&host, "VIEWER", "github-2").await;
    let home = world.sign_in("github-2").await;
    let path = format!("/auth/organisations/{}/switch", host.organisation);
    let call = || world.post(&path).cookie(SESSION, &home.token);
    let foreign = call()
        .header("origin", "https://evil.example")
        .header("x-hcp-csrf", "1")
        .send()
        .await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.code()),
        (403, "cross_site")
    );
    let switched = call()
        .header("origin", ORIGIN)
        .header("x-hcp-csrf", "1")
        .send()
        .await;
    let session = switched.cookie_value(SESSION);
    assert!(switched.expect(201)["session_token"].is_null());
    let validated = world.validate(&session).await.expect(200);
    assert_eq!(text(&validated["organisation_id"]), host.organisation);
    assert_eq!(world.validate(&home.token).await.status, 401);
}

#[tokio::test]
async fn switching_does_not_make_a_sign_in_last_longer() {
    let world = World::new().await;
    let mut session = world.sign_in("github-1").await;
    let organisation = session.organisation.clone();
    for _ in 0..4 {
        world.api.clock.advance_seconds(SESSION_SECONDS / 5);
        session = world.switch(&session, &organisation).await;
    }
    world.api.clock.advance_seconds(SESSION_SECONDS / 5);
    assert_eq!(world.validate(&session.token).await.status, 401);
}

#[tokio::test]
async fn an_organisation_that_a_person_is_not_in_is_not_found() {
    let world = World::new().await;
    let (one, other) = (
        world.sign_in("github-1").await,
        world.sign_in("github-2").await,
    );
    for organisation in [other.organisation.as_str(), "nobody", "No-Name"] {
        for what in ["switch", "leave"] {
            let path = format!("/auth/organisations/{organisation}/{what}");
            let answer = world.post(&path).bearer(&one.token).send().await;
            assert_eq!(answer.status, 404, "{path}");
        }
    }
    assert_eq!(world.validate(&one.token).await.status, 200);
}

#[tokio::test]
async fn a_member_of_any_role_may_leave() {
    let world = World::new().await;
    let host = world.sign_in("github-1").await;
    let auditor = world.join(&host, "AUDITOR", "github-2").await;
    let path = format!("/auth/organisations/{}/leave", host.organisation);
    assert_eq!(
        world.post(&path).bearer(&auditor.token).send().await.status,
        204
    );
    assert_eq!(world.validate(&auditor.token).await.status, 401);
    let home = world.sign_in("github-2").await;
    let listed = world
        .get("/auth/organisations")
        .bearer(&home.token)
        .send()
        .await
        .expect(200);
    assert_eq!(listed["organisations"].as_array().unwrap().len(), 1);
}
