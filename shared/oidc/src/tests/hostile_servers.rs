//! Issuers that are reached, and answer what they should not. They speak TLS, as the real ones do.

mod answers;

use answers::{DESCRIPTIONS, DOCUMENTS, Outcome, described, good_description, good_keys};

use super::certificate::acceptor;
use super::script::Script;
use super::world::{KEYS, NOW, NOW_SECONDS};
use crate::testing::{Reply, Server};
use crate::{Expected, FetchError, IssuerUrl, KeyFetcher, Network, Speaks};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const ISSUER: &str = "https://issuer.example.com";
const DESCRIPTION: &str = "/.well-known/openid-configuration";
const OTHER: &str = "other.example.com";

async fn fetch(description: fn() -> Reply, keys: fn() -> Reply) -> (Outcome, usize) {
    let (tls, anchor) = acceptor(&["issuer.example.com", OTHER]);
    let server = Server::start(Some(tls), move |request| {
        if request.starts_with(&format!("GET {DESCRIPTION} ")) {
            description()
        } else {
            keys()
        }
    })
    .await;
    let hosts = [
        ("issuer.example.com", server.address),
        (OTHER, server.address),
    ];
    let fetcher = KeyFetcher::new(Network::with_hosts(&hosts, Speaks::Tls { anchor }));
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    let outcome = match fetcher.keys(&issuer, NOW).await {
        Ok(keys) => {
            assert!(!keys.is_empty());
            Outcome::Keys
        }
        Err(FetchError::Unavailable(_)) => Outcome::Unavailable,
        Err(FetchError::Refused(_)) => Outcome::Refused,
    };
    (outcome, server.requests().len())
}

#[tokio::test]
async fn hostile_answers_give_no_keys_and_lead_nowhere() {
    let cases = [&DESCRIPTIONS[..], &DOCUMENTS].concat();
    let names: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
    for (index, (name, expected, description, keys)) in cases.into_iter().enumerate() {
        let (outcome, requests) = fetch(description, keys).await;
        assert_eq!(outcome, expected, "{name}");
        // Whatever the description leads to, nobody is asked there unless all of it was good.
        let is_description_good = index == 0 || index >= DESCRIPTIONS.len();
        assert_eq!(requests, if is_description_good { 2 } else { 1 }, "{name}");
    }
}

/// A server that begins an answer and says when it has been asked.
async fn slow_server(asked: Arc<Notify>) -> Server {
    Server::start(None, move |_| {
        asked.notify_one();
        Reply::Stalled(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec())
    })
    .await
}

#[tokio::test]
async fn a_slow_issuer_is_given_three_seconds() {
    let asked = Arc::new(Notify::new());
    let server = slow_server(Arc::clone(&asked)).await;
    let network = Network::with_hosts(&[("issuer.example.com", server.address)], Speaks::Plain);
    let fetcher = KeyFetcher::new(network);
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    let call = tokio::spawn(async move { fetcher.keys(&issuer, NOW).await });
    asked.notified().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1500)).await;
    assert!(!call.is_finished());
    tokio::time::advance(Duration::from_millis(1600)).await;
    let answer = call.await.unwrap();
    let why = "no answer within 3 s".to_owned();
    assert_eq!(answer.unwrap_err(), FetchError::Unavailable(why));
}

#[tokio::test]
async fn a_name_that_answers_differently_the_next_time_gains_nothing() {
    let (tls, anchor) = acceptor(&["issuer.example.com"]);
    let server = Server::start(Some(tls), |_| good_description()).await;
    let script = Script::new(server.address, &[&["93.184.215.14"], &["127.0.0.1"]]);
    let fetcher = KeyFetcher::new(Network::scripted(script.clone(), anchor));
    let issuer = IssuerUrl::parse(ISSUER).unwrap();
    let answer = fetcher.keys(&issuer, NOW).await;
    let why = "issuer.example.com is at 127.0.0.1".to_owned();
    assert_eq!(answer.unwrap_err(), FetchError::Refused(why));
    let seen = script.seen();
    assert_eq!(seen.resolved.len(), 2, "once for each connection");
    let judged = "93.184.215.14:443".parse().unwrap();
    assert_eq!(seen.dialled, [judged], "to the address that was judged");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_name_with_one_address_inside_is_not_connected_to_at_all() {
    let (tls, anchor) = acceptor(&["issuer.example.com"]);
    let server = Server::start(Some(tls), |_| good_description()).await;
    for inside in [
        "127.0.0.1",
        "169.254.169.254",
        "10.1.2.3",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
    ] {
        let script = Script::new(server.address, &[&["93.184.215.14", inside]]);
        let fetcher = KeyFetcher::new(Network::scripted(script.clone(), anchor.clone()));
        let issuer = IssuerUrl::parse(ISSUER).unwrap();
        let answer = fetcher.keys(&issuer, NOW).await;
        assert!(matches!(answer, Err(FetchError::Refused(_))), "{inside}");
        assert!(script.seen().dialled.is_empty(), "{inside}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_of_this_machine_is_not_connected_to() {
    let server = Server::start(None, |_| good_description()).await;
    let mut url = IssuerUrl::parse(ISSUER).unwrap().0;
    // As if a public name led here: the system's own resolver is asked.
    "localhost".clone_into(&mut url.host);
    url.port = server.address.port();
    assert!(Network::public().connect(&url).await.is_err());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_name_is_not_believed() {
    let (other_tls, other_anchor) = acceptor(&[OTHER]);
    let (_, anchor) = acceptor(&["issuer.example.com"]);
    let server = Server::start(Some(other_tls), |_| good_description()).await;
    for (name, trusted) in [
        ("a certificate of another host", other_anchor),
        ("a certificate of nobody we trust", anchor),
    ] {
        let hosts = [("issuer.example.com", server.address)];
        let network = Network::with_hosts(&hosts, Speaks::Tls { anchor: trusted });
        let fetcher = KeyFetcher::new(network);
        let issuer = IssuerUrl::parse(ISSUER).unwrap();
        let answer = fetcher.keys(&issuer, NOW).await;
        assert!(matches!(answer, Err(FetchError::Unavailable(_))), "{name}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn keys_of_known_issuers_may_lie_on_the_host_that_is_known_for_it() {
    let (tls, anchor) = acceptor(&["accounts.google.com", "www.googleapis.com"]);
    let server = Server::start(Some(tls), |request| {
        if request.contains("host: www.googleapis.com\r\n") {
            good_keys()
        } else {
            described(
                "https://accounts.google.com",
                "https://www.googleapis.com/oauth2/v3/certs",
            )
        }
    })
    .await;
    let hosts = ["accounts.google.com", "www.googleapis.com"].map(|host| (host, server.address));
    let fetcher = KeyFetcher::new(Network::with_hosts(&hosts, Speaks::Tls { anchor }));
    let issuer = fetcher.issuer("https://accounts.google.com").unwrap();
    let token = KEYS.rs256.token(&json!({
        "iss": issuer.as_str(), "sub": "1", "aud": "client", "nonce": "n", "azp": "client",
        "iat": NOW_SECONDS, "exp": NOW_SECONDS + 3600,
    }));
    let expected = Expected::sign_in(issuer, "client", "n");
    let claims = fetcher.verify(&token, &expected, NOW).await.unwrap();
    assert_eq!(claims.subject(), "1");
    let asked: Vec<String> = server
        .requests()
        .iter()
        .filter_map(|request| request.lines().next().map(str::to_owned))
        .collect();
    assert_eq!(
        asked,
        [
            "GET /.well-known/openid-configuration HTTP/1.1",
            "GET /oauth2/v3/certs HTTP/1.1",
        ]
    );
}
