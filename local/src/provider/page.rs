//! The page that asks who somebody is: plain HTML that loads nothing, from here or elsewhere.

use super::people::PEOPLE;
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");

/// The page with everybody there is. `query` is the application's question, to which the answer is added.
pub(super) fn question(client_id: &str, query: &str) -> Response {
    let mut body = format!(
        "<h1>Who are you?</h1><p><b>{}</b> wants to know. This is a stand-in for GitHub and Google on your own machine: \
         pick anybody, no password is asked for.</p><ul>",
        escape(client_id)
    );
    for person in PEOPLE {
        body.extend([format!(
            "<li><a href=\"?{query}&amp;person={login}\"><b>{name}</b> <span>{login}</span></a>",
            query = escape(query),
            login = person.login,
            name = person.name,
        )]);
    }
    body.extend([format!(
        "</ul><p><a href=\"?{}&amp;person=nobody\">Do not sign in</a></p>",
        escape(query)
    )]);
    page(StatusCode::OK, "Sign in", &body)
}

/// The page that says what is wrong with an application's question.
pub(super) fn refusal(why: &str) -> Response {
    let body = format!("<h1>This cannot be answered</h1><p>{}</p>", escape(why));
    page(StatusCode::BAD_REQUEST, "Refused", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} (fake provider)</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    );
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Text as it may stand between tags and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_asks_with_cannot_become_markup() {
        assert_eq!(escape("a\"><b>'&"), "a&quot;&gt;&lt;b&gt;&#39;&amp;");
    }
}
