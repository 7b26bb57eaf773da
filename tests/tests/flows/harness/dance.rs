//! The control plane and the fake provider in this process, on ports of their own, with a store that can be looked into.

use crate::harness::browser::Page;
use crate::harness::{Browser, From};
use auth::{Api, Origin};
use data_encoding::BASE64URL_NOPAD;
use embedded_dynamodb::Engine;
use hybrid_local::{Provider, router_with};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use store::{Store, TABLES, Tables};
use telemetry::Meter;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::Clock;
use wire::Timestamp;

/// Both of them, until it is dropped.
pub(crate) struct Dance {
    engine: Engine,
    provider: Provider,
    url: String,
    _stop: watch::Sender<bool>,
}

impl Dance {
    pub(crate) async fn start() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = Origin::local(listener.local_addr().unwrap().port());
        let url = origin.as_str().to_owned();
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
        let api = Api {
            origin,
            ..Api::testing(store, clock.clone())
        };
        let (stop, stopped) = watch::channel(false);
        let origins = std::slice::from_ref(&url);
        let provider = Provider::start(origins, clock, stopped).await.unwrap();
        let router = router_with(&api, provider.sign_in().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            engine,
            provider,
            url,
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// A browser whose person has signed in.
    pub(crate) async fn signed_in(&self, provider: &str, person: &str) -> Browser {
        let mut browser = self.browser();
        let begun = browser.get(&format!("/auth/login/{provider}")).await;
        let callback = browser.pick(&begun.location(), person).await;
        let back = browser.follow(&callback, From::AnotherSite).await;
        assert_eq!(back.status, 303, "{}", back.text);
        browser
    }

    /// Brings an answer that must count for nothing: 401, no session, and not a letter written.
    pub(crate) async fn refused(&self, browser: &mut Browser, callback: &str, what: &str) {
        let before = self.everything().await;
        let session = browser.cookie(auth::cookie::SESSION);
        let answer = browser.follow(callback, From::AnotherSite).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert_eq!(answer.json["code"], "unauthenticated", "{what}");
        assert!(!browser.has(auth::cookie::LOGIN), "{what}");
        assert_eq!(browser.cookie(auth::cookie::SESSION), session, "{what}");
        assert_eq!(self.everything().await, before, "{what}");
    }

    /// Every item of every table, but for the counts of sign-ins.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let client = self.engine.client();
        let mut all = Vec::new();
        for table in TABLES {
            let scanned = client.scan().table_name(table.default_name).send().await;
            for item in scanned.unwrap().items() {
                let mut attributes: Vec<_> = item.iter().map(|it| format!("{it:?}")).collect();
                attributes.sort();
                all.push(format!("{}: {attributes:?}", table.default_name));
            }
        }
        all.retain(|item| !item.contains("S(\"SI#"));
        all.sort();
        all
    }

    pub(crate) fn client_secret(&self) -> String {
        self.provider.client_secret()
    }

    /// The access token that Alan has given an application.
    pub(crate) async fn token(&self, provider: &str, client_id: &str, secret: &str) -> String {
        access_token(&self.provider, &self.url, (provider, client_id, secret)).await
    }

    /// What a tool does that has an access token.
    pub(crate) async fn create_session(&self, provider: &str, token: &str) -> Page {
        let body = json!({ "provider": provider, "access_token": token });
        let mut tool = self.browser();
        tool.change("POST", "/auth/session", Some(&body)).await
    }
}

impl Browser {
    /// The cookie of a sign-in under way with another value in it.
    pub(crate) fn change_login(&self, field: &str, value: Value) -> String {
        let cookie = self.cookie(auth::cookie::LOGIN).unwrap();
        let json = BASE64URL_NOPAD.decode(cookie.as_bytes()).unwrap();
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        json[field] = value;
        BASE64URL_NOPAD.encode(json.to_string().as_bytes())
    }
}

/// The access token that Alan has given an application of a provider, which sends people back to that origin.
pub(crate) async fn access_token(
    known: &Provider,
    origin: &str,
    (provider, client_id, secret): (&str, &str, &str),
) -> String {
    let base = format!("{}/{provider}", known.url());
    let (question, exchange) = match provider {
        "github" => ("login/oauth/authorize", "login/oauth/access_token"),
        _ => ("o/oauth2/v2/auth", "token"),
    };
    let redirect_uri = format!("{origin}/auth/callback/{provider}");
    let verifier = "v".repeat(43);
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(&verifier));
    let question = format!(
        "{base}/{question}?client_id={client_id}&redirect_uri={redirect_uri}&state=s&response_type=code\
         &scope=openid&code_challenge={challenge}&code_challenge_method=S256"
    );
    let callback = Browser::new(origin).pick(&question, "alan").await;
    let code = callback.split("code=").nth(1).unwrap();
    let code = code.split('&').next().unwrap();
    let form = format!(
        "grant_type=authorization_code&client_id={client_id}&client_secret={secret}&code={code}\
         &redirect_uri={redirect_uri}&code_verifier={verifier}"
    );
    let answer = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = answer
        .post(format!("{base}/{exchange}"))
        .header("accept", "application/json")
        .body(form)
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{answer}")).to_owned()
}
