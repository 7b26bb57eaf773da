//! A tenant's limits: what is over them is refused, and nobody else notices.

use super::*;
use crate::{Limits, NewId, Room, Usage};
use http::HeaderMap;
use store::NewJob;
use web::Entropy;

fn few() -> Limits {
    Limits {
        people_requests: 3,
        ..Limits::default()
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn path() -> String {
    format!("/api/jobs/{}", the_job())
}

async fn other_token(world: &World) -> Token {
    let kind = CredentialKind::ApiToken;
    let token = Token::issue(Environment::Test, kind, &world.api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "other".to_owned(),
        scopes: vec!["jobs:read".to_owned()],
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = world.api.store.tenant(&world.other);
    tenant.create_api_token(&new, NOW).await.unwrap();
    token
}

#[tokio::test]
async fn a_flood_is_refused_until_the_next_window_and_nobody_else_is() {
    let mut world = world().await;
    world.api.limits = few();
    let (app, _) = world.app();
    let token = world.token(&[Scope::JobsRead], None).await;
    let second = world.token(&[Scope::JobsRead], None).await;
    let other = other_token(&world).await;
    for left in (0..3).rev() {
        let response = get_as(&app, &token.bearer(), &path()).await;
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(number(headers, "ratelimit-limit"), Some(3));
        assert_eq!(number(headers, "ratelimit-remaining"), Some(left));
        assert_eq!(number(headers, "ratelimit-reset"), Some(10));
    }
    world.api.clock.advance_seconds(4);
    for _ in 0..2 {
        let response = get_as(&app, &token.bearer(), &path()).await;
        assert_eq!(response.status(), 429);
        assert_eq!(number(response.headers(), "retry-after"), Some(6));
        assert_eq!(number(response.headers(), "ratelimit-remaining"), Some(0));
        assert_eq!(json_of(response).await["code"], "too_many_requests");
    }
    // The limit is the tenant's, not the token's.
    assert_eq!(get_as(&app, &second.bearer(), &path()).await.status(), 429);
    assert_eq!(get_as(&app, &other.bearer(), &path()).await.status(), 404);
    world.api.clock.advance_seconds(6);
    assert_eq!(get_as(&app, &token.bearer(), &path()).await.status(), 200);
}

#[tokio::test]
async fn a_caller_that_goes_on_flooding_costs_no_read_and_the_unverified_are_not_counted() {
    let mut world = world().await;
    world.api.limits = few();
    let (app, _) = world.app();
    let token = world.token(&[Scope::JobsRead], None).await;
    // Somebody who knows the key id and not the secret.
    let forged = Token::issue(
        Environment::Test,
        CredentialKind::ApiToken,
        &Entropy::seeded(77),
    );
    for _ in 0..10 {
        assert_eq!(get_as(&app, &forged.bearer(), &path()).await.status(), 401);
    }
    for _ in 0..4 {
        get_as(&app, &token.bearer(), &path()).await;
    }
    let before = world.api.store.meter().total();
    for _ in 0..20 {
        assert_eq!(get_as(&app, &token.bearer(), &path()).await.status(), 429);
    }
    assert_eq!(world.api.store.meter().total(), before);
}

#[tokio::test]
async fn processes_learn_of_each_others_requests() {
    let mut world = world().await;
    world.api.limits = Limits {
        people_requests: 200,
        ..Limits::default()
    };
    let token = world.token(&[Scope::JobsRead], None).await;
    let (here, _) = world.app();
    let (there, _) = routes(Api {
        usage: Usage::default(),
        ..world.api.clone()
    })
    .into_parts();
    let there = web::app(there);
    let mut served = 0;
    for _ in 0..200 {
        for app in [&here, &there] {
            let status = get_as(app, &token.bearer(), &path()).await.status();
            served += u32::from(status == 200);
        }
    }
    // Each tells the other every 50 requests, so together they may serve 50 more than the limit each.
    assert!((200..300).contains(&served), "{served}");
}

#[tokio::test]
async fn the_limit_holds_in_each_process_while_the_count_cannot_be_shared() {
    let mut world = world().await;
    let token = world.token(&[Scope::JobsRead], None).await;
    let client = world.engine.client_with(|call| match call.operation {
        "UpdateItem" => Fault::Throttle,
        _ => Fault::None,
    });
    world.api.store = Store::new(client, Tables::default(), Meter::default());
    world.api.limits.people_requests = 60;
    let (app, _) = world.app();
    let mut served = 0;
    for _ in 0..70 {
        let status = get_as(&app, &token.bearer(), &path()).await.status();
        served += u32::from(status == 200);
    }
    assert_eq!(served, 60);
}

#[tokio::test]
async fn room_that_nothing_took_up_is_given_back() {
    let mut world = world().await;
    world.api.limits.queued_jobs = 2;
    let take = || world.api.take_room(&world.acme, Room::Job);
    let is_full = async || matches!(take().await, Err(problem) if problem.status() == 429);
    take().await.unwrap().take_up();
    let taken = take().await.unwrap();
    assert!(is_full().await);
    // Agents have room of their own.
    let agent = world.api.take_room(&world.acme, Room::Agent).await;
    agent.unwrap().take_up();
    drop(taken);
    take().await.unwrap().take_up();
    assert!(is_full().await);
    // What was taken from sizes that are forgotten is not given back to those that were read since.
    world.api.clock.advance_seconds(10);
    let old = take().await.unwrap();
    world.api.clock.advance_seconds(10);
    take().await.unwrap().take_up();
    take().await.unwrap().take_up();
    drop(old);
    assert!(is_full().await);
}

#[tokio::test]
async fn the_same_job_again_takes_no_room() {
    let mut world = world().await;
    world.api.limits.queued_jobs = 2;
    let token = world.token(&[Scope::JobsWrite], None).await;
    let verified = world.api.store.authenticate(&token.presented, NOW).await;
    let caller = Caller::new(verified.unwrap().unwrap(), token.presented.clone());
    let request = json!({"job_type": "build", "pool_name": "linux", "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"});
    let enqueue = async |key: Option<&str>| {
        let id = match key {
            Some(key) => NewId::OfKey(NewJob::id_for_key(caller.tenant(), key)),
            None => NewId::one(&world.api, &caller, None, NOW),
        };
        let request = serde_json::from_value(request.clone()).unwrap();
        let made = world.api.enqueue_job(&caller, id, request, NOW).await;
        made.map_or_else(
            |problem| problem.status().as_u16(),
            |(status, _)| status.as_u16(),
        )
    };
    for expected in [201, 200, 200, 200] {
        assert_eq!(enqueue(Some("once")).await, expected);
    }
    assert_eq!(enqueue(None).await, 201);
    assert_eq!(enqueue(None).await, 429);
}
