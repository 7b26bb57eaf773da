//! A browser comes back from its provider.

use crate::begin_login::redirect_uri;
use crate::browser::{Browser, with_cookie};
use crate::pre_login::PreLogin;
use crate::providers::{CameBack, SignIn, SignInError, refused};
use crate::sign_in::{end_before, sign_in};
use auth::{Api, Token, cookie};
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::SecretString;
use store::{CredentialKind, SESSION_SECONDS};
use web::{ApiPath, Problem};
use wire::ProblemDetails;

/// How many characters a query may have. Google's are a few hundred.
const QUERY_LIMIT: usize = 4096;

/// What providers answer with. They may add to it, so what is not known here is not looked at.
#[derive(Default)]
struct Answer {
    state: String,
    code: Option<SecretString>,
    error: Option<String>,
}

impl Answer {
    /// Reads a query. A parameter that comes twice could be read one way here and another way elsewhere: it is refused.
    fn read(query: &str) -> Option<Self> {
        if query.len() > QUERY_LIMIT {
            return None;
        }
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
        let mut answer = Self::default();
        let mut state = None;
        for (name, value) in pairs {
            let before = match name.as_str() {
                "state" => state.replace(value).is_some(),
                "code" => answer.code.replace(SecretString::from(value)).is_some(),
                "error" => answer.error.replace(value).is_some(),
                _ => false,
            };
            if before {
                return None;
            }
        }
        answer.state = state?;
        Some(answer)
    }
}

/// Finish signing in with a browser.
///
/// The provider sends the browser here. It gets a session in a cookie that scripts cannot read, and goes on to where it wanted.
/// Whatever is wrong, the answer is the same 401; the cookie of the way back is taken away in any case.
#[utoipa::path(
    get,
    path = "/auth/callback/{provider}",
    tag = "sign-in",
    params(
        ("provider" = String, Path, description = "`github` or `google`."),
        ("state" = Option<String>, Query, description = "What the browser was sent to the provider with."),
        ("code" = Option<String>, Query, description = "What the provider gives for the person. It is used once."),
        ("error" = Option<String>, Query, description = "Why it gives none."),
    ),
    responses(
        (status = 303, description = "To `return_to`, with a session."),
        (status = 401, description = "Nobody was signed in. The answer does not tell why.", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "The same address has tried too often, or too many have; `Retry-After` says when to try again.", content_type = "application/problem+json", body = ProblemDetails),
        (status = 503, description = "The provider, or the control plane, cannot be asked; `Retry-After` says when to try again.", content_type = "application/problem+json", body = ProblemDetails),
    )
)]
pub(crate) async fn finish_login(
    State(api): State<Api>,
    Extension(providers): Extension<SignIn>,
    ApiPath(name): ApiPath<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    browser: Browser,
) -> Response {
    let query = query.unwrap_or_default();
    let finished = finish(&api, &providers, &name, &query, &headers, browser).await;
    let response = finished.unwrap_or_else(Problem::into_response);
    with_cookie(response, cookie::end_login()).unwrap_or_else(Problem::into_response)
}

async fn finish(
    api: &Api,
    providers: &SignIn,
    name: &str,
    query: &str,
    headers: &HeaderMap,
    browser: Browser,
) -> Result<Response, Problem> {
    let provider = providers.provider(name)?;
    let now = api.now();
    let not_good = |why: &str| Problem::from(SignInError::Refused(why.to_owned()));
    let login = cookie::read(headers, cookie::LOGIN)
        .and_then(PreLogin::from_cookie)
        .ok_or_else(|| not_good("the browser has not begun to sign in"))?;
    let answer = Answer::read(query).ok_or_else(|| not_good("the query is not an answer"))?;
    if !login.is_answered_by(provider.name(), &answer.state, now) {
        return Err(not_good("the answer is not for this browser"));
    }
    if answer.error.is_some() {
        return Err(not_good("the provider says no"));
    }
    let code = answer.code.ok_or_else(refused)?;
    // The provider is asked about whatever somebody has begun with and made up.
    providers.attempts.count(api, browser.address).await?;
    let known = provider
        .exchange(
            &CameBack {
                code: &code,
                verifier: &login.verifier(),
                redirect_uri: &redirect_uri(api, provider.name().as_str()),
                nonce: &login.nonce,
            },
            now,
        )
        .await?;
    // A browser that comes from its provider keeps the cookie of its session before this to itself, because that cookie is
    // `SameSite=Strict`: then the cookie is replaced, and the session stands in the person's list until it ends by itself or
    // they end it. One that is sent along nevertheless has nobody's cookie any more, or was planted by somebody else. It goes
    // first, so that a failure leaves no session that nobody has.
    let before = cookie::read(headers, cookie::SESSION)
        .and_then(|text| Token::parse(api.environment, text).ok())
        .filter(|presented| presented.kind == CredentialKind::PersonSession);
    if let Some(before) = before {
        end_before(api, &before).await?;
    }
    let (_, begun) = sign_in(api, known, browser).await?;
    let location =
        HeaderValue::from_str(login.return_to.as_str()).map_err(|_| Problem::internal())?;
    let response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
    with_cookie(response, cookie::session(&begun.token, SESSION_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn an_answer_may_have_more_than_we_know_and_nothing_twice() {
        let read = Answer::read("state=a%2Fb&code=4%2F0&scope=openid&authuser=0&prompt=none&iss=x");
        let read = read.unwrap_or_default();
        assert_eq!(read.state, "a/b");
        assert_eq!(
            read.code
                .map(|code| code.expose_secret().to_owned())
                .as_deref(),
            Some("4/0")
        );
        for bad in [
            "",
            "code=a",
            "state=a&state=b&code=c",
            "state=a&code=b&code=c",
            &format!("state=a&code={}", "x".repeat(5000)),
        ] {
            assert!(Answer::read(bad).is_none(), "{bad}");
        }
    }
}
