//! What stands before every handler that is not public: authentication, then access.

use crate::cookie::{Brought, SESSION, brought};
use crate::{Access, Api, Caller, OrProblem, Token, limits};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::limits::Admission;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, Method};
use store::{CredentialKind, Presented};
use web::Problem;

/// What a script of our own pages sends with a change that has no JSON.
const CSRF: HeaderName = HeaderName::from_static("x-hcp-csrf");

/// One route's guard.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) api: Api,
    pub(crate) access: Access,
    /// Whether an agent's credential that was verified a few minutes ago is enough to reach the handler.
    pub(crate) known_agents: bool,
}

/// Lets a request through to its handler, with its [`Caller`], or answers 401, 403 or 404.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let admitted = admit(&guard, request).await;
    go_on(admitted, next).await
}

/// The handler's answer, or why it is not reached.
pub(crate) async fn go_on(admitted: Result<(Request, Admission), Denied>, next: Next) -> Response {
    match admitted {
        Ok((request, admission)) => limits::describe(next.run(request).await, &admission),
        Err(denied) => denied.into_response(),
    }
}

/// Why a request does not reach its handler.
pub(crate) enum Denied {
    Problem(Problem),
    OverLimit(Admission),
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::OverLimit(admission) => {
                let problem = Problem::too_many(admission.reset_seconds);
                limits::describe(problem.into_response(), &admission)
            }
        }
    }
}

async fn admit(guard: &Guard, request: Request) -> Result<(Request, Admission), Denied> {
    let caller = authenticate(guard, request.method(), request.headers()).await?;
    enter(guard, caller, request).await
}

/// Lets a verified caller in or says why not.
pub(crate) async fn enter(
    guard: &Guard,
    caller: Caller,
    request: Request,
) -> Result<(Request, Admission), Denied> {
    web::note_tenant(caller.tenant());
    let admission = guard.api.admit(&caller).await;
    if !admission.admitted {
        return Err(Denied::OverLimit(admission));
    }
    let (mut parts, body) = request.into_parts();
    let mut path_id = None;
    if guard.access.needs_path()
        && let Ok(params) = RawPathParams::from_request_parts(&mut parts, &()).await
    {
        path_id = params
            .iter()
            .find(|(name, _)| *name == "id")
            .map(|(_, value)| value.to_owned());
    }
    guard.access.check(&caller, path_id.as_deref())?;
    parts.extensions.insert(caller);
    Ok((Request::from_parts(parts, body), admission))
}

/// Who calls. Whatever is wrong with the credential, the answer is the same; the log tells a little more.
pub(crate) async fn authenticate(
    guard: &Guard,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Denied> {
    let api = &guard.api;
    let presented = presented(api, method, headers)?;
    if let Some(admission) = api.usage.refusal(&presented, api.now()) {
        return Err(Denied::OverLimit(admission));
    }
    if guard.known_agents
        && let Some(known) = api.store.known_credential(&presented, api.now())
    {
        let mut caller = Caller::new(known, presented);
        caller.verified_now = false;
        return Ok(caller);
    }
    Ok(verify(api, presented).await?)
}

/// Verifies a well-formed credential.
pub(crate) async fn verify(api: &Api, presented: Presented) -> Result<Caller, Problem> {
    let verified = api
        .store
        .authenticate(&presented, api.now())
        .await
        .or_problem()?;
    let Some(verified) = verified else {
        tracing::info!(key_id = %presented.key_id, why = "not good", "a credential was refused");
        return Err(Problem::unauthenticated());
    };
    Ok(Caller::new(verified, presented))
}

/// The one credential of a request, well formed: of the header `Authorization: Bearer`, or a person's session of the cookie.
/// It is looked for nowhere else, since queries end up in logs. A request with both is refused: whoever wrote it may not
/// know as whom it acts.
fn presented(api: &Api, method: &Method, headers: &HeaderMap) -> Result<Presented, Problem> {
    let refused = |why: &str| {
        tracing::info!(why, "a credential was refused");
        Problem::unauthenticated()
    };
    let parse =
        |text: &str| Token::parse(api.environment, text).map_err(|why| refused(&why.to_string()));
    match (
        brought(headers, SESSION),
        headers.contains_key(AUTHORIZATION),
    ) {
        (Brought::Nothing, _) => match bearer(headers) {
            Some(text) => parse(text),
            None => Err(Problem::unauthenticated()),
        },
        (Brought::One(text), false) => {
            let presented = parse(text)?;
            if presented.kind != CredentialKind::PersonSession {
                return Err(refused("of a kind that is not for cookies"));
            }
            let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
            if !reads && !is_from_own_page(api, headers) {
                tracing::warn!("a change with a session cookie came from elsewhere");
                return Err(Problem::cross_site());
            }
            Ok(presented)
        }
        (Brought::One(_), true) => Err(refused("with another one")),
        (Brought::Unclear, _) => Err(refused("unclear")),
    }
}

/// Whether one of our own pages sent the request: by the origin, which no page can choose, and by something that a form
/// cannot send and a script of another page only after asking.
fn is_from_own_page(api: &Api, headers: &HeaderMap) -> bool {
    let origin = only(headers, &ORIGIN).is_some_and(|origin| api.origin.is_own(origin));
    let is_json = only(headers, &CONTENT_TYPE).is_some_and(|value| {
        let (kind, _parameters) = value.split_once(';').unwrap_or((value, ""));
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    let marked = only(headers, &CSRF).is_some_and(|value| value == "1");
    origin && (is_json || marked)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        Some(_) => None,
        None => value.to_str().ok(),
    }
}

/// The token of the one `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
