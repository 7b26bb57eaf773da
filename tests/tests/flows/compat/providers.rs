//! Those outside whom the control plane asks: a GitHub that knows everybody, and an issuer of workloads' tokens.

use auth_function::SignIn;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;
use oidc::{Network, Speaks};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(super) const ISSUER: &str = "https://issuer.example.com";
const GITHUB: &str = "https://github.example.com";

/// Both of them. They end when this is dropped.
pub(super) struct Providers {
    pub(super) network: Network,
    _server: JoinSet<()>,
}

impl Providers {
    /// Starts them; `keys` is what the issuer publishes.
    pub(super) async fn start(keys: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/access_token", post(exchange))
            .route("/api/user", get(user))
            .route("/api/applications/{client}/token", post(check))
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(published))
            .with_state(keys.to_owned());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let hosts = [GITHUB, ISSUER].map(|url| (url.trim_start_matches("https://"), address));
        Self {
            network: Network::with_hosts(&hosts, Speaks::Plain),
            _server: server,
        }
    }

    /// Sign-in with that GitHub.
    pub(super) fn sign_in(&self) -> SignIn {
        let variable = |name: &str| {
            Some(match name {
                "GITHUB_CLIENT_ID" => "our-application".to_owned(),
                "GITHUB_CLIENT_SECRET" => "not-a-secret".to_owned(),
                "GITHUB_AUTHORIZE_URL" => format!("{GITHUB}/authorize"),
                "GITHUB_TOKEN_URL" => format!("{GITHUB}/access_token"),
                "GITHUB_API_URL" => format!("{GITHUB}/api"),
                _ => return None,
            })
        };
        SignIn::read(&self.network, &variable).unwrap()
    }
}

/// Whose it is stands in a token, which is `gho_<number>`.
fn of(token: &str) -> Value {
    let number: u64 = token.trim_start_matches("gho_").parse().unwrap();
    json!({ "id": number, "login": format!("u{number}"), "name": format!("User {number}") })
}

/// A code is the token that is given for it.
async fn exchange(form: String) -> Json<Value> {
    let fields = form.split('&').filter_map(|field| field.split_once('='));
    let fields: HashMap<_, _> = fields.collect();
    assert_eq!(fields["code_verifier"].len(), 43);
    Json(json!({ "access_token": fields["code"], "token_type": "bearer" }))
}

async fn user(headers: HeaderMap) -> Json<Value> {
    let bearer = headers["authorization"].to_str().unwrap();
    Json(of(bearer.trim_start_matches("Bearer ")))
}

async fn check(Json(body): Json<Value>) -> Json<Value> {
    let user = of(body["access_token"].as_str().unwrap());
    Json(json!({ "app": { "client_id": "our-application" }, "user": user }))
}

async fn discovery() -> Json<Value> {
    Json(json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys") }))
}

async fn published(State(keys): State<String>) -> String {
    keys
}
