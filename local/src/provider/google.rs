//! Google's OpenID Connect, as far as a sign-in needs it.

use super::github::{ExchangeForm, is_client, of};
use super::grants::{Grant, TOKEN_SECONDS};
use super::key::SigningKey;
use super::{Desk, Protocol, answer, authorise, bearer, oauth_error};
use anyhow::Result;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use wire::Timestamp;

impl Desk {
    /// Who signs: the provider's address with Google's name behind it.
    fn issuer(&self) -> String {
        format!("{}/google", self.url)
    }

    async fn key(&self) -> Result<&SigningKey> {
        self.key
            .get_or_try_init(|| async { tokio::task::spawn_blocking(SigningKey::generate).await? })
            .await
    }
}

/// `GET /o/oauth2/v2/auth`.
pub(super) async fn authorise(State(desk): State<Arc<Desk>>, query: RawQuery) -> Response {
    authorise::authorise(Protocol::Google, &desk, query)
}

/// `POST /token`.
pub(super) async fn exchange(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let Ok(form) = serde_urlencoded::from_bytes::<ExchangeForm>(&body) else {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_request");
    };
    if form.grant_type.as_deref() != Some("authorization_code") {
        return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    if !is_client(&desk, &form.client_id, &form.client_secret) {
        return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let now = desk.clock.now();
    let exchanged = desk
        .grants
        .exchange(&desk.entropy, of(Protocol::Google, &form), now);
    let Some((grant, access_token)) = exchanged else {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let signed = match desk.key().await {
        Ok(key) => key.sign(&claims(&desk, &grant, now)),
        Err(error) => Err(error),
    };
    match signed {
        Ok(id_token) => answer(
            StatusCode::OK,
            &json!({
                "access_token": access_token, "id_token": id_token, "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS, "scope": "openid profile",
            }),
        ),
        Err(error) => {
            tracing::error!(%error, "the fake provider cannot sign");
            oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    }
}

fn claims(desk: &Desk, grant: &Grant, now: Timestamp) -> Value {
    let seconds = now.as_millis() / 1000;
    let person = &grant.person;
    let mut claims = json!({
        "iss": desk.issuer(), "sub": person.google_subject, "aud": grant.client_id, "azp": grant.client_id,
        "iat": seconds, "exp": seconds + TOKEN_SECONDS,
        "name": person.name, "email": person.email(), "email_verified": true,
    });
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = json!(nonce);
    }
    claims
}

/// `POST /tokeninfo`: what an access token is for, and whose.
pub(super) async fn token_info(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Asked {
        access_token: String,
    }
    let now = desk.clock.now();
    let issued = serde_urlencoded::from_bytes::<Asked>(&body)
        .ok()
        .and_then(|asked| {
            desk.grants
                .token(Protocol::Google, &asked.access_token, now)
        });
    let Some(issued) = issued else {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_token");
    };
    // Google writes its numbers as text here.
    let ends = issued.at.plus_seconds(TOKEN_SECONDS);
    answer(
        StatusCode::OK,
        &json!({
            "azp": issued.client_id, "aud": issued.client_id, "sub": issued.person.google_subject,
            "scope": "openid https://www.googleapis.com/auth/userinfo.profile",
            "exp": (ends.as_millis() / 1000).to_string(),
            "expires_in": (ends.millis_since(now) / 1000).to_string(),
            "access_type": "online",
        }),
    )
}

/// `GET /v1/userinfo`.
pub(super) async fn user_info(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let now = desk.clock.now();
    let issued = bearer(&headers).and_then(|token| desk.grants.token(Protocol::Google, token, now));
    match issued {
        Some(issued) => answer(
            StatusCode::OK,
            &json!({ "sub": issued.person.google_subject, "name": issued.person.name }),
        ),
        None => oauth_error(StatusCode::UNAUTHORIZED, "invalid_token"),
    }
}

/// `GET /oauth2/v3/certs`.
pub(super) async fn keys(State(desk): State<Arc<Desk>>) -> Response {
    match desk.key().await {
        Ok(key) => answer(StatusCode::OK, &key.public()),
        Err(error) => {
            tracing::error!(%error, "the fake provider has no key");
            oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    }
}

/// `GET /.well-known/openid-configuration`.
pub(super) async fn discovery(State(desk): State<Arc<Desk>>) -> Response {
    let issuer = desk.issuer();
    answer(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/o/oauth2/v2/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/v1/userinfo"),
            "jwks_uri": format!("{issuer}/oauth2/v3/certs"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email"],
            "code_challenge_methods_supported": ["S256"],
        }),
    )
}
