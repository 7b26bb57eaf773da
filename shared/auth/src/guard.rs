//! What stands before every handler that is not public: authentication, then access.

use crate::{Access, Api, Caller, OrProblem, Token};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use store::Presented;
use web::Problem;

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
    match admit(&guard, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn admit(guard: &Guard, request: Request) -> Result<Request, Problem> {
    let caller = authenticate(guard, request.headers()).await?;
    web::note_tenant(caller.tenant());
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
    Ok(Request::from_parts(parts, body))
}

/// Who calls. Whatever is wrong with the credential, the answer is the same; the log tells a little more.
async fn authenticate(guard: &Guard, headers: &HeaderMap) -> Result<Caller, Problem> {
    let Some(text) = bearer(headers) else {
        return Err(Problem::unauthenticated());
    };
    let api = &guard.api;
    let presented = Token::parse(api.environment, text).map_err(|why| {
        tracing::info!(%why, "a credential was refused");
        Problem::unauthenticated()
    })?;
    if guard.known_agents
        && let Some(known) = api.store.known_credential(&presented, api.now())
    {
        let mut caller = Caller::new(known, presented);
        caller.verified_now = false;
        return Ok(caller);
    }
    verify(api, presented).await
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

/// The token of the one `Authorization: Bearer` header. Nowhere else is one looked for: queries and cookies end up in
/// logs and are sent along unasked.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
