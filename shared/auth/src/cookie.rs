//! The two cookies of browsers. Their `__Host-` names make browsers insist on what is said here: no other host, no part of
//! the site, and no page without TLS can have set them.

use crate::Token;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The cookie that holds a person's session.
pub const SESSION: &str = "__Host-hcp_session";

/// The cookie that holds what a sign-in under way has to come back with.
pub const LOGIN: &str = "__Host-hcp_login";

/// How many seconds a sign-in may take.
pub const LOGIN_SECONDS: i64 = 600;

/// Sets the cookie of a session for so many seconds. Browsers send it with requests of our own pages alone.
pub fn session(token: &Token, max_age_seconds: i64) -> Option<HeaderValue> {
    let value = token.expose();
    set(SESSION, value, "Strict", max_age_seconds)
}

/// Takes the cookie of a session back.
pub fn end_session() -> Option<HeaderValue> {
    set(SESSION, "", "Strict", 0)
}

/// Sets the cookie of a sign-in. Browsers send it when the provider leads them back here, and so it says nothing of who
/// somebody is. `None` if the value has what a cookie's may not.
pub fn login(value: &str) -> Option<HeaderValue> {
    set(LOGIN, value, "Lax", LOGIN_SECONDS)
}

/// Takes the cookie of a sign-in back.
pub fn end_login() -> Option<HeaderValue> {
    set(LOGIN, "", "Lax", 0)
}

fn set(name: &str, value: &str, same_site: &str, max_age_seconds: i64) -> Option<HeaderValue> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !value.bytes().all(allowed) {
        return None;
    }
    let text = format!(
        "{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; Secure; SameSite={same_site}"
    );
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// What a request has of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought<'a> {
    /// Not the cookie.
    Nothing,
    /// Its value.
    One(&'a str),
    /// It more than once, so that nobody knows which is meant, or bytes that are no text.
    Unclear,
}

/// What a request has of the cookie. Whatever other cookies are, they are not ours to judge.
pub(crate) fn brought<'a>(headers: &'a HeaderMap, name: &str) -> Brought<'a> {
    let cookies = headers.get_all(COOKIE).iter();
    let pairs = cookies.flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = pair.split_at(end.unwrap_or(pair.len()));
        let named = key.trim_ascii() == name.as_bytes();
        named.then(|| value.strip_prefix(b"=").unwrap_or_default())
    });
    match (values.next(), values.next()) {
        (None, _) => Brought::Nothing,
        (Some(value), None) => match str::from_utf8(value.trim_ascii()) {
            Ok(text) => Brought::One(text),
            Err(_) => Brought::Unclear,
        },
        (Some(_), Some(_)) => Brought::Unclear,
    }
}

/// The value of a cookie; `None` if it is not there, or there more than once.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    match brought(headers, name) {
        Brought::One(value) => Some(value),
        Brought::Nothing | Brought::Unclear => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let all = headers(&["a=1; __Host-hcp_login=xyz ;b", "c=2"]);
        assert_eq!(read(&all, LOGIN), Some("xyz"));
        assert_eq!(read(&all, SESSION), None);
        let foreign = headers(&["caf\u{e9}=1; __Host-hcp_login=xyz"]);
        assert_eq!(read(&foreign, LOGIN), Some("xyz"));
        for other in [
            "x__Host-hcp_login=1",
            "__host-hcp_login=1",
            "__Host-hcp_login2=1",
        ] {
            assert_eq!(read(&headers(&[other]), LOGIN), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_not_one() {
        for twice in [
            headers(&["__Host-hcp_session=a; __Host-hcp_session=b"]),
            headers(&["__Host-hcp_session=a", "__Host-hcp_session=a"]),
        ] {
            assert_eq!(brought(&twice, SESSION), Brought::Unclear);
            assert_eq!(read(&twice, SESSION), None);
        }
    }

    #[test]
    fn cookies_are_for_this_host_and_not_for_scripts() {
        let ended = end_session().unwrap();
        assert_eq!(
            ended.to_str().unwrap(),
            "__Host-hcp_session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
        );
        let begun = login("abc").unwrap();
        assert_eq!(
            begun.to_str().unwrap(),
            "__Host-hcp_login=abc; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"
        );
        assert!(begun.is_sensitive());
        for injected in ["a; Domain=evil.example", "a\r\nset-cookie: b=1", "a b", "é"] {
            assert_eq!(login(injected), None, "{injected}");
        }
    }
}
