//! GitHub's OAuth 2.0, as far as a sign-in needs it.

use super::grants::Exchange;
use super::{
    CLIENT_ID, Desk, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, Protocol, answer, authorise, bearer,
    oauth_error,
};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The form with which a code is exchanged, at either provider.
#[derive(Debug, Deserialize)]
pub(super) struct ExchangeForm {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) code: String,
    pub(super) redirect_uri: String,
    pub(super) code_verifier: String,
    /// Google wants it, and GitHub does not look.
    #[serde(default)]
    pub(super) grant_type: Option<String>,
}

/// `GET /login/oauth/authorize`.
pub(super) async fn authorise(State(desk): State<Arc<Desk>>, query: RawQuery) -> Response {
    authorise::authorise(Protocol::GitHub, &desk, query)
}

/// `POST /login/oauth/access_token`. GitHub answers 200 to what it refuses, and a form unless JSON is asked for.
pub(super) async fn exchange(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let json_wanted = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    let form: ExchangeForm = match serde_urlencoded::from_bytes(&body) {
        Ok(form) if json_wanted => form,
        Ok(_) => return oauth_error(StatusCode::NOT_ACCEPTABLE, "ask_for_json"),
        Err(_) => return oauth_error(StatusCode::OK, "bad_verification_code"),
    };
    if !is_client(&desk, &form.client_id, &form.client_secret) {
        return oauth_error(StatusCode::OK, "incorrect_client_credentials");
    }
    match desk
        .grants
        .exchange(&desk.entropy, of(Protocol::GitHub, &form), desk.clock.now())
    {
        Some((_, token)) => answer(
            StatusCode::OK,
            &json!({ "access_token": token, "token_type": "bearer", "scope": "" }),
        ),
        None => oauth_error(StatusCode::OK, "bad_verification_code"),
    }
}

/// `GET /user`. GitHub turns away programs that do not name themselves.
pub(super) async fn user(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if !headers.contains_key(USER_AGENT) {
        return answer(
            StatusCode::FORBIDDEN,
            &json!({ "message": "no user agent" }),
        );
    }
    let issued = bearer(&headers)
        .and_then(|token| desk.grants.token(Protocol::GitHub, token, desk.clock.now()));
    match issued {
        Some(issued) => answer(StatusCode::OK, &user_json(&issued.person)),
        None => answer(
            StatusCode::UNAUTHORIZED,
            &json!({ "message": "Bad credentials" }),
        ),
    }
}

fn user_json(person: &super::people::Person) -> Value {
    json!({ "id": person.github_id, "login": person.login, "name": person.name, "type": "User" })
}

/// `POST /applications/{client_id}/token`: whose token it is, if it was issued to the application that asks.
pub(super) async fn check_token(
    State(desk): State<Arc<Desk>>,
    Path(client_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    #[derive(Deserialize)]
    struct Asked {
        access_token: String,
    }
    let known = basic(&headers)
        .is_some_and(|(id, secret)| id == client_id && is_client(&desk, &client_id, &secret));
    if !known {
        return answer(
            StatusCode::UNAUTHORIZED,
            &json!({ "message": "Bad credentials" }),
        );
    }
    let issued = serde_json::from_slice(&body)
        .ok()
        .and_then(|asked: Asked| {
            desk.grants
                .token(Protocol::GitHub, &asked.access_token, desk.clock.now())
        })
        .filter(|issued| issued.client_id == client_id);
    match issued {
        Some(issued) => answer(
            StatusCode::OK,
            &json!({ "app": { "client_id": client_id }, "user": user_json(&issued.person) }),
        ),
        None => answer(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    }
}

/// The name and the password of an `Authorization: Basic` header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Whether the application is who it says.
pub(super) fn is_client(desk: &Desk, client_id: &str, secret: &str) -> bool {
    match client_id {
        CLIENT_ID => secret == desk.client_secret.expose_secret(),
        OTHER_CLIENT_ID => secret == OTHER_CLIENT_SECRET,
        _ => false,
    }
}

/// What a form shows.
pub(super) fn of(protocol: Protocol, form: &ExchangeForm) -> Exchange<'_> {
    Exchange {
        protocol,
        client_id: &form.client_id,
        redirect_uri: &form.redirect_uri,
        code: &form.code,
        verifier: &form.code_verifier,
    }
}
