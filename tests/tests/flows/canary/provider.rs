//! A GitHub, a Google and an issuer of workloads' tokens, which tell what they have issued.

use super::plane::{CLIENT_ID, ISSUER};
use super::search::Canary;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use oidc::testing::{SigningKey, key_document};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use web::{Clock, Entropy};

/// All of them on one port.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) address: SocketAddr,
    pub(super) client_secret: String,
    key: Arc<SigningKey>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Codes, with the nonces that they were made for.
    codes: Vec<(String, String)>,
    access_tokens: Vec<String>,
    canaries: Vec<Canary>,
}

/// What nobody can guess.
pub(super) fn random() -> String {
    BASE64URL_NOPAD.encode(&Entropy::system().bytes::<32>())
}

fn now_seconds() -> i64 {
    Clock::system().now().as_millis() / 1000
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let started = Self {
            address: listener.local_addr().unwrap(),
            client_secret: random(),
            key: Arc::new(SigningKey::es256("k")),
            known: Arc::default(),
        };
        let router = Router::new()
            .route("/{provider}/token", post(exchange))
            .route("/github/user", get(user))
            .route("/github/applications/{client}/token", post(user))
            .route("/google/tokeninfo", post(user))
            .route("/google/userinfo", get(user))
            .route("/keys", get(keys))
            .route("/.well-known/openid-configuration", get(discovery))
            .with_state(started.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        started
    }

    /// What somebody is sent back with who has said who they are.
    pub(super) fn code(&self, nonce: &str) -> String {
        let code = random();
        let mut known = self.known.lock().unwrap();
        known.codes.push((code.clone(), nonce.to_owned()));
        known.canaries.push(Canary::new("a provider's code", &code));
        code
    }

    /// The last access token that was issued.
    pub(super) fn access_token(&self) -> String {
        let known = self.known.lock().unwrap();
        known.access_tokens.last().unwrap().clone()
    }

    /// The token of a workload.
    pub(super) fn workload(&self, audience: &str) -> String {
        let token = self.sign(&json!({
            "aud": audience, "sub": "build", "jti": random(),
        }));
        let mut known = self.known.lock().unwrap();
        known
            .canaries
            .push(Canary::jwt("a workload's token", &token));
        token
    }

    /// All that was issued.
    pub(super) fn canaries(&self) -> Vec<Canary> {
        self.known.lock().unwrap().canaries.clone()
    }

    fn sign(&self, claims: &Value) -> String {
        let now = now_seconds();
        let mut claims = claims.clone();
        claims["iss"] = json!(ISSUER);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + 300);
        self.key.token(&claims)
    }
}

async fn exchange(
    State(provider): State<Provider>,
    Path(name): Path<String>,
    body: String,
) -> Response {
    let mut known = provider.known.lock().unwrap();
    let shown = body.split('&').find_map(|pair| pair.strip_prefix("code="));
    let place = known
        .codes
        .iter()
        .position(|(code, _)| Some(code.as_str()) == shown);
    let Some(place) = place else {
        // One that says more than it should: all that it was shown.
        let refusal = json!({ "error": "invalid_grant", "error_description": body });
        let status = if name == "github" {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        return (status, Json(refusal)).into_response();
    };
    let (_, nonce) = known.codes.remove(place);
    let kind = if name == "github" { "gho_" } else { "ya29." };
    let secret = random();
    let access_token = format!("{kind}{secret}");
    let mut answer = json!({ "access_token": access_token, "token_type": "bearer" });
    let canary = Canary::new("a provider's access token", &secret);
    known.canaries.push(canary);
    known.access_tokens.push(access_token);
    if name == "google" {
        let id_token = provider.sign(&json!({
            "sub": "grace", "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": nonce, "name": "Grace",
        }));
        known.canaries.push(Canary::jwt("an ID token", &id_token));
        answer["id_token"] = json!(id_token);
    }
    Json(answer).into_response()
}

/// Who somebody is, in everything that is asked for it, if what is shown was issued here.
async fn user(
    State(provider): State<Provider>,
    headers: http::HeaderMap,
    body: String,
) -> Response {
    let shown = format!("{headers:?}{body}");
    let known = provider.known.lock().unwrap();
    if !known
        .access_tokens
        .iter()
        .any(|token| shown.contains(token))
    {
        let refusal = json!({ "error": "invalid_token", "error_description": shown });
        return (StatusCode::NOT_FOUND, Json(refusal)).into_response();
    }
    let ada = json!({ "id": 1, "login": "ada", "name": "Ada" });
    let ends = (now_seconds() + 60).to_string();
    Json(json!({
        "id": 1, "login": "ada", "name": "Ada", "user": ada, "app": { "client_id": CLIENT_ID },
        "aud": CLIENT_ID, "azp": CLIENT_ID, "sub": "grace", "exp": ends,
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> String {
    key_document(&[&provider.key])
}

async fn discovery() -> Json<Value> {
    Json(json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys") }))
}
