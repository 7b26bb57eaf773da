//! The program that somebody signs in with: what is remembered of it, so that they recognise their sessions, and the cookies
//! that it is given.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::HeaderValue;
use http::header::{SET_COOKIE, USER_AGENT};
use http::request::Parts;
use std::convert::Infallible;
use std::net::IpAddr;
use web::Problem;
use wire::ShortText;

/// The program and where it calls from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    pub(crate) user_agent: Option<ShortText>,
    pub(crate) address: Option<IpAddr>,
}

impl<S: Send + Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let named = parts.headers.get(USER_AGENT);
        Ok(Self {
            user_agent: named.and_then(|value| value.to_str().ok()).and_then(short),
            address: web::client_address(),
        })
    }
}

/// The answer with a cookie.
pub(crate) fn with_cookie(
    mut response: Response,
    cookie: Option<HeaderValue>,
) -> Result<Response, Problem> {
    let cookie = cookie.ok_or_else(|| {
        tracing::error!("a cookie would have what no cookie may");
        Problem::internal()
    })?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// As much of it as is kept. What is no text for people is left out: nobody is turned away for the name of their browser.
fn short(text: &str) -> Option<ShortText> {
    const MOST: usize = 200;
    let text: String = text.trim().chars().take(MOST).collect();
    ShortText::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_a_hostile_one_left_out() {
        assert_eq!(
            short(&"x".repeat(5000)).map(|text| text.as_str().len()),
            Some(200)
        );
        for bad in ["", "  ", "a\u{7f}b", "AKIAIOSFODNN7EXAMPLE"] {
            assert_eq!(short(bad), None, "{bad:?}");
        }
    }
}
