//! The question whether an application may know who somebody is.

use super::grants::Grant;
use super::people::Person;
use super::{CLIENT_ID, Desk, OTHER_CLIENT_ID, Protocol, page};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

/// What an application asks. Parameters that it has besides are nobody's business here.
#[derive(Debug, Clone, Deserialize)]
struct Question {
    client_id: String,
    redirect_uri: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
    #[serde(default)]
    response_type: Option<String>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    nonce: Option<String>,
    /// Who somebody says they are; a page asks while they have not.
    #[serde(default)]
    person: Option<String>,
}

/// Asks who it is, or sends whoever has said it back with a code.
pub(super) fn authorise(protocol: Protocol, desk: &Desk, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let question: Question = match serde_urlencoded::from_str(&query) {
        Ok(question) => question,
        Err(error) => return page::refusal(&error.to_string()),
    };
    if let Err(why) = check(protocol, desk, &question) {
        return page::refusal(why);
    }
    let Some(login) = &question.person else {
        return page::question(&question.client_id, &query);
    };
    let mut back = vec![("state", question.state.clone())];
    match Person::find(login) {
        Some(person) => {
            let grant = Grant {
                protocol,
                client_id: question.client_id,
                redirect_uri: question.redirect_uri.clone(),
                challenge: question.code_challenge,
                nonce: question.nonce,
                person,
                at: desk.clock.now(),
            };
            back.push(("code", desk.grants.grant(&desk.entropy, grant)));
        }
        None => back.push(("error", "access_denied".to_owned())),
    }
    send_back(&question.redirect_uri, &back)
}

/// Whether the question is one that the real providers would take. The redirect comes first: nobody is ever sent to an
/// address that was not registered, not even with an error.
fn check(protocol: Protocol, desk: &Desk, question: &Question) -> Result<(), &'static str> {
    if !desk.redirect_uris.contains(&question.redirect_uri) {
        return Err("the redirect_uri is not registered");
    }
    if ![CLIENT_ID, OTHER_CLIENT_ID].contains(&question.client_id.as_str()) {
        return Err("there is no such client");
    }
    if question.code_challenge_method != "S256" || question.code_challenge.len() != 43 {
        return Err("the code challenge must be S256");
    }
    if question.state.is_empty() {
        return Err("there is no state");
    }
    let openid = question.scope.split(' ').any(|scope| scope == "openid");
    if protocol == Protocol::Google
        && (question.response_type.as_deref() != Some("code") || !openid)
    {
        return Err("an OpenID request has the response_type `code` and the scope `openid`");
    }
    Ok(())
}

fn send_back(redirect_uri: &str, parameters: &[(&str, String)]) -> Response {
    let location = serde_urlencoded::to_string(parameters)
        .ok()
        .and_then(|query| HeaderValue::from_str(&format!("{redirect_uri}?{query}")).ok());
    let Some(location) = location else {
        return page::refusal("the answer has no form");
    };
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::FOUND, headers).into_response()
}
