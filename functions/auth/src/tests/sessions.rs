//! A person's sessions.

use super::world::{ORIGIN, World, text};
use store::{SESSION_IDLE_SECONDS, SESSION_SECONDS};

const SESSION: &str = auth::cookie::SESSION;

#[tokio::test]
async fn a_person_sees_their_own_sessions_and_which_one_this_is() {
    let world = World::new().await;
    let first = world.sign_in("github-1").await;
    world.api.clock.advance_seconds(1);
    let second = world.sign_in("github-1").await;
    world.sign_in("github-2").await;
    let listed = world
        .get("/auth/sessions")
        .bearer(&second.token)
        .send()
        .await
        .expect(200);
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let current: Vec<_> = sessions
        .iter()
        .map(|session| session["current"].as_bool())
        .collect();
    assert_eq!(current, [Some(true), Some(false)]);
    assert_eq!(sessions[0]["user_agent"], "test/1");
    assert!(!listed.to_string().contains(&first.token[24..67]));
    let page = world
        .get("/auth/sessions?limit=1")
        .bearer(&second.token)
        .send()
        .await
        .expect(200);
    let path = format!(
        "/auth/sessions?limit=1&cursor={}",
        text(&page["next_cursor"])
    );
    let next = world
        .get(&path)
        .bearer(&second.token)
        .send()
        .await
        .expect(200);
    assert_eq!(next["sessions"][0]["session_id"], sessions[1]["session_id"]);
}

#[tokio::test]
async fn a_session_that_was_ended_opens_nothing_at_its_next_request() {
    let world = World::new().await;
    let (here, there) = (
        world.sign_in("github-1").await,
        world.sign_in("github-1").await,
    );
    let id = text(&world.validate(&there.token).await.expect(200)["session_id"]);
    let path = format!("/auth/sessions/{id}");
    let stranger = world.sign_in("github-2").await;
    assert_eq!(
        world
            .delete(&path)
            .bearer(&stranger.token)
            .send()
            .await
            .status,
        404
    );
    assert_eq!(world.validate(&there.token).await.status, 200);
    let ended = world.delete(&path).bearer(&here.token).send().await;
    assert_eq!(ended.status, 204);
    assert_eq!(ended.cookie(SESSION), None);
    assert_eq!(world.validate(&there.token).await.status, 401);
    assert_eq!(world.validate(&here.token).await.status, 200);
    assert_eq!(
        world.delete(&path).bearer(&here.token).send().await.status,
        404
    );
}

#[tokio::test]
async fn all_sessions_end_at_once_with_or_without_this_one() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(world.sign_in("github-1").await);
    }
    let stranger = world.sign_in("github-2").await;
    let path = "/auth/sessions?keep_current=true";
    assert_eq!(
        world
            .delete(path)
            .bearer(&sessions[1].token)
            .send()
            .await
            .status,
        204
    );
    for (place, status) in [(0, 401), (1, 200), (2, 401)] {
        assert_eq!(world.validate(&sessions[place].token).await.status, status);
    }
    let all = world
        .delete("/auth/sessions")
        .bearer(&sessions[1].token)
        .send()
        .await;
    assert_eq!(all.status, 204);
    assert!(all.cookie(SESSION).unwrap().contains("Max-Age=0"));
    assert_eq!(world.validate(&sessions[1].token).await.status, 401);
    assert_eq!(world.validate(&stranger.token).await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookie_away() {
    let world = World::new().await;
    let session = world.sign_in("github-1").await;
    let out = || {
        world
            .post("/auth/logout")
            .cookie(SESSION, &session.token)
            .header("content-type", "application/json")
    };
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("https://ci.example.com.evil.example"),
    ] {
        let mut call = out();
        if let Some(origin) = origin {
            call = call.header("origin", origin);
        }
        let answer = call.send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (403, "cross_site"),
            "{origin:?}"
        );
    }
    assert_eq!(world.validate(&session.token).await.status, 200);
    let ended = out().header("origin", ORIGIN).send().await;
    assert_eq!(ended.status, 204);
    assert!(ended.cookie(SESSION).unwrap().contains("Max-Age=0"));
    assert_eq!(world.validate(&session.token).await.status, 401);
}

#[tokio::test]
async fn a_session_ends_eight_hours_after_its_last_use_and_a_day_after_its_beginning() {
    let world = World::new().await;
    let idle = world.sign_in("github-1").await;
    world.api.clock.advance_seconds(SESSION_IDLE_SECONDS);
    assert_eq!(world.validate(&idle.token).await.status, 401);
    let busy = world.sign_in("github-1").await;
    let step = SESSION_IDLE_SECONDS - 1;
    for _ in 0..SESSION_SECONDS / step {
        world.api.clock.advance_seconds(step);
        assert_eq!(world.validate(&busy.token).await.status, 200);
    }
    world.api.clock.advance_seconds(SESSION_SECONDS % step);
    assert_eq!(world.validate(&busy.token).await.status, 401);
}
