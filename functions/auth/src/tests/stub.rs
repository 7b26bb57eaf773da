//! A GitHub and a Google that know everybody: whose code and whose token it is stands in the code and in the token.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode};
use oidc::testing::{SigningKey, key_document};
use oidc::{Network, Speaks};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpListener;
use web::Clock;

pub(super) const CLIENT_ID: &str = "our-application";
pub(super) const SECRET: &str = "canary-of-the-client-secret";
const GITHUB: &str = "https://github.example.com";
const GOOGLE: &str = "https://accounts.example.com";

/// Both providers.
pub(super) struct Stub {
    pub(super) network: Network,
    state: Arc<Known>,
}

struct Known {
    clock: Clock,
    key: SigningKey,
    is_down: AtomicBool,
    calls: AtomicUsize,
}

impl Stub {
    pub(super) async fn start(clock: &Clock) -> Self {
        let state = Arc::new(Known {
            clock: clock.clone(),
            key: SigningKey::rs256("stub"),
            is_down: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let hosts = [
            ("github.example.com", address),
            ("accounts.example.com", address),
        ];
        Self {
            network: Network::with_hosts(&hosts, Speaks::Plain),
            state,
        }
    }

    /// From now on it answers 503, or no more.
    pub(super) fn set_down(&self, down: bool) {
        self.state.is_down.store(down, Ordering::SeqCst);
    }

    /// How often it was called.
    pub(super) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// What the function is configured with.
    pub(super) fn variable(name: &str) -> Option<String> {
        Some(match name {
            "GITHUB_CLIENT_ID" | "GOOGLE_CLIENT_ID" => CLIENT_ID.to_owned(),
            "GITHUB_CLIENT_SECRET" | "GOOGLE_CLIENT_SECRET" => SECRET.to_owned(),
            "GITHUB_AUTHORIZE_URL" => format!("{GITHUB}/authorize"),
            "GITHUB_TOKEN_URL" => format!("{GITHUB}/access_token"),
            "GITHUB_API_URL" => format!("{GITHUB}/api"),
            "GOOGLE_ISSUER" => GOOGLE.to_owned(),
            "GOOGLE_AUTHORIZE_URL" => format!("{GOOGLE}/authorize"),
            "GOOGLE_TOKEN_URL" => format!("{GOOGLE}/token"),
            "GOOGLE_TOKENINFO_URL" => format!("{GOOGLE}/tokeninfo"),
            "GOOGLE_USERINFO_URL" => format!("{GOOGLE}/userinfo"),
            _ => return None,
        })
    }
}

fn router(state: Arc<Known>) -> Router {
    Router::new()
        .route("/access_token", post(github_exchange))
        .route("/api/user", get(github_user))
        .route("/api/applications/{client}/token", post(github_check))
        .route("/token", post(google_exchange))
        .route("/tokeninfo", post(google_token_info))
        .route("/userinfo", get(google_user_info))
        .route("/keys", get(google_keys))
        .route("/.well-known/openid-configuration", get(google_discovery))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&state),
            count,
        ))
        .with_state(state)
}

async fn count(
    State(known): State<Arc<Known>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    known.calls.fetch_add(1, Ordering::SeqCst);
    if known.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

type Fields = HashMap<String, String>;

fn fields(form: &str) -> Fields {
    serde_urlencoded::from_str(form).unwrap()
}

fn bearer(headers: &HeaderMap) -> &str {
    let value = headers["authorization"].to_str().unwrap();
    value.strip_prefix("Bearer ").unwrap()
}

fn refused(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, Json(json!({ "error": error }))).into_response()
}

/// A code of GitHub is `github-<number>`, and what is in it is its token as well.
async fn github_exchange(body: String) -> Response {
    let form = fields(&body);
    assert_eq!(form["code_verifier"].len(), 43);
    assert_eq!(
        form["redirect_uri"],
        "https://ci.example.com/auth/callback/github"
    );
    assert_eq!(form["client_id"], CLIENT_ID);
    if form["client_secret"] != SECRET {
        return refused(200, "incorrect_client_credentials");
    }
    match form["code"].as_str() {
        "our-fault" => refused(200, "incorrect_client_credentials"),
        code if code.starts_with("github-") => {
            Json(json!({ "access_token": code, "token_type": "bearer" })).into_response()
        }
        _ => refused(200, "bad_verification_code"),
    }
}

/// What a tool shows for it: GitHub's tokens have a form of their own.
pub(super) fn access_token(token: &str) -> String {
    if token.starts_with("github-") {
        return format!("gho_{token}");
    }
    token.to_owned()
}

fn github_json(token: &str) -> Option<Value> {
    let token = token.strip_prefix("gho_").unwrap_or(token);
    let number: u64 = token.strip_prefix("github-")?.parse().ok()?;
    Some(json!({ "id": number, "login": format!("u{number}"), "name": format!("User {number}") }))
}

async fn github_user(headers: HeaderMap) -> Response {
    assert!(headers.contains_key("user-agent"));
    let token = bearer(&headers);
    if token == "github-too-often" {
        return refused(403, "rate_limited");
    }
    match github_json(token) {
        Some(user) => Json(user).into_response(),
        None => refused(401, "bad_credentials"),
    }
}

async fn github_check(
    Path(client): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Fields>,
) -> Response {
    let expected = BASE64.encode(format!("{CLIENT_ID}:{SECRET}").as_bytes());
    if headers["authorization"] != format!("Basic {expected}") {
        return refused(401, "bad_credentials");
    }
    match body["access_token"].as_str() {
        "gho_github-of-another-app" => {
            Json(json!({ "app": { "client_id": "another" }, "user": github_json("github-1") }))
                .into_response()
        }
        "gho_github-of-nobody" => {
            Json(json!({ "app": { "client_id": client }, "user": null })).into_response()
        }
        token => match github_json(token) {
            Some(user) => {
                Json(json!({ "app": { "client_id": client }, "user": user })).into_response()
            }
            None => refused(404, "not_found"),
        },
    }
}

/// A code of Google is `google-<subject>.<nonce>`.
async fn google_exchange(State(known): State<Arc<Known>>, body: String) -> Response {
    let form = fields(&body);
    assert_eq!(form["code_verifier"].len(), 43);
    assert_eq!(
        form["redirect_uri"],
        "https://ci.example.com/auth/callback/google"
    );
    if form["client_secret"] != SECRET {
        return refused(401, "invalid_client");
    }
    let code = form["code"].strip_prefix("google-");
    let Some((subject, nonce)) = code.and_then(|code| code.split_once('.')) else {
        return refused(400, "invalid_grant");
    };
    let now = known.clock.now().as_millis() / 1000;
    let mut claims = json!({
        "iss": GOOGLE, "sub": subject, "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": nonce,
        "iat": now, "exp": now + 3600, "name": format!("Person {subject}"), "email": "a@example.com",
    });
    match subject {
        "late" => claims["exp"] = json!(now - 3600),
        "elsewhere" => claims["aud"] = json!("another"),
        "foreign" => claims["iss"] = json!("https://evil.example.com"),
        _ => {}
    }
    let token = if subject == "forged" {
        SigningKey::rs256("stub").token(&claims)
    } else {
        known.key.token(&claims)
    };
    Json(json!({ "id_token": token, "access_token": "unused" })).into_response()
}

/// A token of Google is `google-<subject>`.
async fn google_token_info(State(known): State<Arc<Known>>, body: String) -> Response {
    let form = fields(&body);
    let Some(subject) = form["access_token"].strip_prefix("google-") else {
        return refused(400, "invalid_token");
    };
    let now = known.clock.now().as_millis() / 1000;
    let mut info = json!({
        "aud": CLIENT_ID, "azp": CLIENT_ID, "sub": subject, "exp": (now + 60).to_string(),
        "scope": "openid",
    });
    match subject {
        "of-another-app" => info["aud"] = json!("another"),
        "expired" => info["exp"] = json!(now.to_string()),
        "without-openid" => info["sub"] = Value::Null,
        _ => {}
    }
    Json(info).into_response()
}

async fn google_user_info(headers: HeaderMap) -> Response {
    let subject = bearer(&headers).strip_prefix("google-").unwrap();
    Json(json!({ "sub": subject, "name": format!("Person {subject}") })).into_response()
}

async fn google_keys(State(known): State<Arc<Known>>) -> String {
    key_document(&[&known.key])
}

async fn google_discovery(_query: Query<Fields>) -> Json<Value> {
    Json(json!({ "issuer": GOOGLE, "jwks_uri": format!("{GOOGLE}/keys") }))
}
