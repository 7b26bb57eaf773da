//! What is remembered of an issuer, and when it is asked again.

use super::world::{AUDIENCE, NOW, NOW_SECONDS};
use crate::testing::{FakeIssuer, Reply, Server, SigningKey, key_document};
use crate::{Expected, FetchError, IssuerUrl, JwtError, KeyFetcher, Network, Speaks, TokenError};
use serde_json::json;
use std::sync::LazyLock;
use wire::Timestamp;

const ISSUER: &str = "https://issuer.example.com";

static OLD: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::es256("old"));
static NEW: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::es256("new"));

/// A token that is issued at that many seconds from the beginning.
fn token(key: &SigningKey, seconds: i64) -> String {
    let issued_at = NOW_SECONDS + seconds;
    key.token(&json!({
        "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "iat": issued_at, "exp": issued_at + 300,
    }))
}

fn at(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

struct World {
    issuer: FakeIssuer,
    fetcher: KeyFetcher,
    expected: Expected,
}

impl World {
    async fn new() -> Self {
        let issuer = FakeIssuer::start(ISSUER, &[&OLD]).await;
        Self {
            fetcher: KeyFetcher::new(issuer.network()),
            expected: Expected::workload(issuer.url(), AUDIENCE),
            issuer,
        }
    }

    /// Verifies a token made now by that key; how often the issuer was asked besides.
    async fn verify(&self, key: &SigningKey, seconds: i64) -> (Result<(), TokenError>, usize) {
        let before = self.issuer.requests();
        let token = token(key, seconds);
        let answer = self
            .fetcher
            .verify(&token, &self.expected, at(seconds))
            .await;
        (answer.map(|_| ()), self.issuer.requests() - before)
    }
}

fn unavailable() -> Result<(), TokenError> {
    let why = "status 503".to_owned();
    Err(FetchError::Unavailable(why).into())
}

fn unknown() -> Result<(), TokenError> {
    Err(JwtError::UnknownKey.into())
}

#[tokio::test]
async fn keys_are_used_for_ten_minutes_without_asking() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    assert_eq!(world.verify(&OLD, 599).await, (Ok(()), 0));
    assert_eq!(world.verify(&OLD, 600).await, (Ok(()), 2));
    assert_eq!(world.verify(&OLD, 601).await, (Ok(()), 0));
    let clone = world.fetcher.clone();
    clone.keys(&world.issuer.url(), at(602)).await.unwrap();
    assert_eq!(world.issuer.requests(), 4, "clones remember the same");
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_once_a_minute_at_most() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    world.issuer.set_keys(&[&OLD, &NEW]);
    assert_eq!(world.verify(&NEW, 59).await, (unknown(), 0));
    assert_eq!(world.verify(&NEW, 60).await, (Ok(()), 2));
    let junk = SigningKey::es256("junk");
    assert_eq!(world.verify(&junk, 61).await, (unknown(), 0));
    assert_eq!(world.verify(&junk, 120).await, (unknown(), 2));
    assert_eq!(world.verify(&junk, 121).await, (unknown(), 0));
}

#[tokio::test]
async fn a_key_that_the_issuer_has_withdrawn_is_good_for_ten_minutes_at_most() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    world.issuer.set_keys(&[&NEW]);
    assert_eq!(world.verify(&OLD, 599).await, (Ok(()), 0));
    assert_eq!(world.verify(&OLD, 600).await, (unknown(), 2));
}

#[tokio::test]
async fn an_issuer_that_is_down_is_waited_for_an_hour_and_asked_every_ten_seconds() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    world.issuer.set_up(false);
    assert_eq!(world.verify(&OLD, 600).await, (Ok(()), 1));
    assert_eq!(world.verify(&OLD, 609).await, (Ok(()), 0));
    assert_eq!(world.verify(&OLD, 610).await, (Ok(()), 1));
    assert_eq!(world.verify(&OLD, 3599).await, (Ok(()), 1));
    assert_eq!(world.verify(&OLD, 3600).await, (unavailable(), 0));
    assert_eq!(world.verify(&OLD, 3609).await, (unavailable(), 1));
    world.issuer.set_up(true);
    assert_eq!(world.verify(&OLD, 3618).await, (unavailable(), 0));
    assert_eq!(world.verify(&OLD, 3619).await, (Ok(()), 2));
}

#[tokio::test]
async fn an_unknown_key_of_an_issuer_that_is_down_is_not_called_unknown() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    world.issuer.set_keys(&[&NEW]);
    world.issuer.set_up(false);
    assert_eq!(world.verify(&NEW, 60).await, (unavailable(), 1));
    assert_eq!(world.verify(&NEW, 119).await, (unavailable(), 0));
    assert_eq!(world.verify(&OLD, 119).await, (Ok(()), 0));
    world.issuer.set_up(true);
    assert_eq!(world.verify(&NEW, 120).await, (Ok(()), 2));
}

#[tokio::test]
async fn an_issuer_that_turns_to_break_a_rule_is_not_given_the_hour() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let turned = std::sync::Mutex::new(receiver);
    let server = Server::start(None, move |request| {
        let is_turned = turned.lock().unwrap().try_recv().is_ok();
        if is_turned {
            Reply::json(302, "{}")
        } else if request.starts_with("GET /keys ") {
            Reply::json(200, &key_document(&[&OLD]))
        } else {
            let keys = format!("{ISSUER}/keys");
            let description = json!({"issuer": ISSUER, "jwks_uri": keys});
            Reply::json(200, &description.to_string())
        }
    })
    .await;
    let hosts = [("issuer.example.com", server.address)];
    let fetcher = KeyFetcher::new(Network::with_hosts(&hosts, Speaks::Plain));
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    assert!(fetcher.keys(&issuer, at(0)).await.is_ok());
    sender.send(()).unwrap();
    let answer = fetcher.keys(&issuer, at(600)).await;
    assert!(matches!(answer, Err(FetchError::Refused(_))), "{answer:?}");
}

#[tokio::test]
async fn the_issuer_on_a_persons_machine_has_its_keys_at_its_own_port_alone() {
    let other = FakeIssuer::start(ISSUER, &[&OLD]).await.address();
    for (keys_at, is_taken) in [
        ("/keys".to_owned(), true),
        (format!("http://{other}/keys"), false),
        ("https://issuer.example.com/keys".to_owned(), false),
    ] {
        let server = Server::start(None, move |request| {
            let host = request
                .lines()
                .find_map(|line| line.strip_prefix("host: "))
                .unwrap();
            let origin = format!("http://{host}");
            let keys = if is_taken {
                format!("{origin}{keys_at}")
            } else {
                keys_at.clone()
            };
            if request.starts_with("GET /keys ") {
                Reply::json(200, &key_document(&[&OLD]))
            } else {
                Reply::json(
                    200,
                    &json!({"issuer": origin, "jwks_uri": keys}).to_string(),
                )
            }
        })
        .await;
        let origin = format!("http://{}", server.address);
        let fetcher = KeyFetcher::new(Network::local(&origin).unwrap());
        let issuer = fetcher.issuer(&origin).unwrap();
        let answer = fetcher.keys(&issuer, at(0)).await;
        assert_eq!(answer.is_ok(), is_taken, "{answer:?}");
    }
}

#[tokio::test]
async fn many_who_need_the_same_keys_fetch_them_once() {
    let world = World::new().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (fetcher, expected) = (world.fetcher.clone(), world.expected.clone());
        calls.spawn(async move {
            let token = token(&OLD, 0);
            fetcher.verify(&token, &expected, at(0)).await.is_ok()
        });
    }
    assert!(calls.join_all().await.into_iter().all(|is_ok| is_ok));
    assert_eq!(world.issuer.requests(), 2);
}

#[tokio::test]
async fn a_fetch_that_its_caller_gave_up_is_taken_up_by_the_next() {
    let world = World::new().await;
    let url = world.issuer.url();
    let call = tokio::spawn({
        let (fetcher, url) = (world.fetcher.clone(), url.clone());
        async move { fetcher.keys(&url, at(0)).await.map(|_| ()) }
    });
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(world.fetcher.keys(&url, at(0)).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_keys_young() {
    let world = World::new().await;
    assert_eq!(world.verify(&OLD, 0).await, (Ok(()), 2));
    assert_eq!(world.verify(&OLD, -1).await, (Ok(()), 0), "calls overlap");
    assert_eq!(world.verify(&OLD, -86_400).await, (Ok(()), 2));
}

#[tokio::test]
async fn a_token_that_is_evidently_not_for_us_makes_nobody_connect() {
    let world = World::new().await;
    let unsigned = token(&OLD, 0).rsplit_once('.').unwrap().0.to_owned();
    let other = |name: &str| {
        let mut claims = json!({
            "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "iat": NOW_SECONDS, "exp": NOW_SECONDS + 9,
        });
        claims[name] = json!("https://evil.example.com");
        OLD.token(&claims)
    };
    for token in ["junk".to_owned(), unsigned, other("iss"), other("aud")] {
        let answer = world.fetcher.verify(&token, &world.expected, NOW).await;
        assert!(matches!(answer, Err(TokenError::Jwt(_))), "{answer:?}");
    }
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test]
async fn a_thousand_issuers_are_remembered_and_the_one_used_longest_ago_makes_room() {
    let world = World::new().await;
    let known = world.issuer.url();
    assert!(world.fetcher.keys(&known, at(0)).await.is_ok());
    for number in 0..1500 {
        let other = IssuerUrl::parse(&format!("https://issuer-{number}.example.com")).unwrap();
        assert!(world.fetcher.keys(&other, at(1)).await.is_err(), "unknown");
        if number < 998 {
            assert_eq!(world.fetcher.remembered(), number + 2);
        }
        if number == 1200 {
            assert!(world.fetcher.keys(&known, at(1)).await.is_ok());
            assert_eq!(world.issuer.requests(), 4, "it had made room");
        }
    }
    assert_eq!(world.fetcher.remembered(), 1000);
}
