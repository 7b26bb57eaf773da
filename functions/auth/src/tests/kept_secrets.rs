//! What the providers know us by, kept in a Secrets Manager.

use super::stub::{SECRET, Stub, access_token};
use super::world::{Answer, World};
use secrets::testing::{FakeSecretsManager, Mood};
use serde_json::json;

const LOGIN: &str = auth::cookie::LOGIN;

/// A function whose configuration names the secrets of both providers, and where they are.
async fn world() -> (World, FakeSecretsManager) {
    let manager = FakeSecretsManager::start().await;
    let mut world = World::new().await;
    world.configure(&|name| match name {
        "GITHUB_CLIENT_SECRET" | "GOOGLE_CLIENT_SECRET" => None,
        "GITHUB_CLIENT_SECRET_ARN" => Some(FakeSecretsManager::arn("github")),
        "GOOGLE_CLIENT_SECRET_ARN" => Some(FakeSecretsManager::arn("google")),
        name => Stub::variable(name).or_else(|| manager.variable(name)),
    });
    (world, manager)
}

async fn show_token(world: &World) -> Answer {
    let body = json!({ "provider": "github", "access_token": access_token("github-1") });
    world.post("/auth/session").json(&body).send().await
}

/// A browser that has begun, and comes back with a code.
async fn come_back(world: &World, provider: &str) -> Answer {
    let begun = world.get(&format!("/auth/login/{provider}")).send().await;
    let state = begun.parameter("state");
    let code = match provider {
        "github" => "github-1".to_owned(),
        _ => format!("google-1.{}", begun.parameter("nonce")),
    };
    let path = format!("/auth/callback/{provider}?code={code}&state={state}");
    let cookie = begun.cookie_value(LOGIN);
    world.get(&path).cookie(LOGIN, &cookie).send().await
}

#[tokio::test]
async fn a_secret_that_is_kept_elsewhere_is_read_at_the_first_sign_in() {
    let (world, manager) = world().await;
    manager.put("github", SECRET);
    manager.put("google", SECRET);
    assert_eq!(world.get("/auth/login/github").send().await.status, 302);
    assert!(manager.requests().is_empty());
    for _ in 0..2 {
        assert_eq!(show_token(&world).await.status, 201);
        assert_eq!(come_back(&world, "github").await.status, 303);
    }
    assert_eq!(manager.requests().len(), 1);
    assert_eq!(come_back(&world, "google").await.status, 303);
    assert_eq!(manager.requests().len(), 2);
    assert!(!world.everything().await.contains(SECRET));
}

#[tokio::test]
async fn without_its_secret_nobody_is_signed_in_and_the_provider_is_not_asked() {
    let (world, manager) = world().await;
    let before = world.items().await;
    for mood in [Mood::Answers, Mood::Denies] {
        manager.set_mood(mood);
        let answers = [
            show_token(&world).await,
            come_back(&world, "github").await,
            come_back(&world, "google").await,
        ];
        for answer in answers {
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "busy"));
            assert_eq!(answer.headers["retry-after"], "10");
            assert_eq!(answer.cookie(auth::cookie::SESSION), None);
        }
        world.api.clock.advance_seconds(10);
    }
    assert_eq!(world.stub.calls(), 0);
    assert_eq!(world.items().await, before);
    // What was missing is put there, and no deployment is needed.
    manager.set_mood(Mood::Answers);
    manager.put("github", SECRET);
    assert_eq!(show_token(&world).await.status, 201);
    assert_eq!(come_back(&world, "github").await.status, 303);
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_used_after_five_minutes() {
    let (world, manager) = world().await;
    manager.put("github", "the secret before");
    let refused = show_token(&world).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (503, "provider_unavailable")
    );
    manager.put("github", SECRET);
    world.api.clock.advance_seconds(299);
    assert_eq!(come_back(&world, "github").await.status, 503);
    world.api.clock.advance_seconds(1);
    assert_eq!(come_back(&world, "github").await.status, 303);
    assert_eq!(show_token(&world).await.status, 201);
    assert_eq!(manager.requests().len(), 2);
}

#[tokio::test]
async fn people_go_on_signing_in_while_the_secret_cannot_be_read() {
    let (world, manager) = world().await;
    manager.put("github", SECRET);
    assert_eq!(show_token(&world).await.status, 201);
    for mood in [Mood::Denies, Mood::HangsUp] {
        manager.set_mood(mood);
        world.api.clock.advance_seconds(300);
        assert_eq!(come_back(&world, "github").await.status, 303);
    }
    manager.set_mood(Mood::Answers);
    manager.delete("github");
    world.api.clock.advance_seconds(300);
    assert_eq!(show_token(&world).await.status, 201);
}
