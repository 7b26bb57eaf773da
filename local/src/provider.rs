//! A fake identity provider, for development and tests: it speaks GitHub's OAuth 2.0 and Google's OpenID Connect on a
//! loopback port of its own, and asks nobody for a password. Whoever reaches it is whichever of three people they pick.
//!
//! It is as strict as the real ones where a sign-in depends on it: a code is used once, within ten minutes, by the
//! application that it was made for, with the PKCE verifier of the browser that began; a redirect leads to a registered
//! address only; ID tokens are signed.

mod authorise;
mod github;
mod google;
mod grants;
mod key;
mod page;
mod people;

use crate::server;
use anyhow::{Context, Result, anyhow};
use auth_function::SignIn;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use grants::Grants;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use key::SigningKey;
use oidc::Network;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use web::{Clock, Entropy};

/// The client id of the control plane.
pub const CLIENT_ID: &str = "hybrid-ci";

/// The client id of an application that is not the control plane's: what is issued to it must open nothing there.
pub const OTHER_CLIENT_ID: &str = "somebody-elses-app";

/// What that other application shows as its secret. It protects nothing.
pub const OTHER_CLIENT_SECRET: &str = "not-a-secret";

/// How many bytes the body of a request to the provider may have.
const BODY_LIMIT: usize = 16 * 1024;

/// Which of the two protocols a request speaks. What is granted by one is worth nothing to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    GitHub,
    Google,
}

/// A running provider. It ends when it is told to stop.
#[derive(Debug, Clone)]
pub struct Provider {
    address: SocketAddr,
    client_secret: SecretString,
}

/// What its handlers share.
#[derive(Debug)]
struct Desk {
    /// Where it listens, as `http://127.0.0.1:PORT`.
    url: String,
    client_secret: SecretString,
    /// Where people may be sent back to.
    redirect_uris: Vec<String>,
    clock: Clock,
    entropy: Entropy,
    grants: Grants,
    key: OnceCell<SigningKey>,
}

impl Provider {
    /// Starts listening on a free port of this machine. People are sent back to the callback paths of the origins, such
    /// as `http://127.0.0.1:8642`, and nowhere else.
    ///
    /// # Errors
    /// There is no port to listen on.
    pub async fn start(
        origins: &[String],
        clock: Clock,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("the fake identity provider cannot listen")?;
        let address = listener
            .local_addr()
            .context("the fake identity provider has no address")?;
        let entropy = Entropy::system();
        let client_secret = SecretString::from(grants::random(&entropy));
        let redirect_uris = origins
            .iter()
            .flat_map(|origin| {
                ["github", "google"].map(|name| format!("{origin}/auth/callback/{name}"))
            })
            .collect();
        let desk = Desk {
            url: format!("http://{address}"),
            client_secret: client_secret.clone(),
            redirect_uris,
            clock,
            entropy,
            grants: Grants::default(),
            key: OnceCell::new(),
        };
        tokio::spawn(server::serve(listener, router(Arc::new(desk)), stopped));
        Ok(Self {
            address,
            client_secret,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the control plane shows as its secret, for tests that stand in for it.
    pub fn client_secret(&self) -> String {
        self.client_secret.expose_secret().to_owned()
    }

    /// Where the control plane may connect so that it reaches this provider.
    ///
    /// # Errors
    /// Never, unless where it listens is no address.
    pub fn network(&self) -> Result<Network> {
        Ok(Network::local(&self.url())?)
    }

    /// What the control plane needs so that people can sign in with this provider. They stay who they are when it listens
    /// elsewhere the next time.
    ///
    /// # Errors
    /// Never, unless what it says of itself is no configuration.
    pub fn sign_in(&self) -> Result<SignIn> {
        let url = self.url();
        let network = self.network()?;
        let (github, google) = (format!("{url}/github"), format!("{url}/google"));
        let variable = |name: &str| {
            Some(match name {
                "GITHUB_CLIENT_ID" | "GOOGLE_CLIENT_ID" => CLIENT_ID.to_owned(),
                "GITHUB_CLIENT_SECRET" | "GOOGLE_CLIENT_SECRET" => {
                    self.client_secret.expose_secret().to_owned()
                }
                "GITHUB_AUTHORIZE_URL" => format!("{github}/login/oauth/authorize"),
                "GITHUB_TOKEN_URL" => format!("{github}/login/oauth/access_token"),
                "GITHUB_API_URL" => github.clone(),
                "GOOGLE_ISSUER" => google.clone(),
                "GOOGLE_AUTHORIZE_URL" => format!("{google}/o/oauth2/v2/auth"),
                "GOOGLE_TOKEN_URL" => format!("{google}/token"),
                "GOOGLE_TOKENINFO_URL" => format!("{google}/tokeninfo"),
                "GOOGLE_USERINFO_URL" => format!("{google}/v1/userinfo"),
                _ => return None,
            })
        };
        SignIn::read(&network, &variable)
            .map(|sign_in| sign_in.known_as("local-github", "local-google"))
            .map_err(|faults| anyhow!("the fake identity provider: {}", faults.join("; ")))
    }
}

/// The paths are those of the real providers, behind the provider's name.
fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/github/login/oauth/authorize", get(github::authorise))
        .route("/github/login/oauth/access_token", post(github::exchange))
        .route("/github/user", get(github::user))
        .route(
            "/github/applications/{client_id}/token",
            post(github::check_token),
        )
        .route("/google/o/oauth2/v2/auth", get(google::authorise))
        .route("/google/token", post(google::exchange))
        .route("/google/tokeninfo", post(google::token_info))
        .route("/google/v1/userinfo", get(google::user_info))
        .route("/google/oauth2/v3/certs", get(google::keys))
        .route(
            "/google/.well-known/openid-configuration",
            get(google::discovery),
        )
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(desk)
}

/// An answer in JSON that nobody keeps.
fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// An OAuth error (RFC 6749, 5.2).
fn oauth_error(status: StatusCode, error: &str) -> Response {
    answer(status, &json!({ "error": error }))
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
