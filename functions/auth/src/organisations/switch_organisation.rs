//! A person goes on in another of their organisations.

use crate::browser::{Browser, with_cookie};
use crate::sign_in::{author, new_session};
use crate::view::Organisation;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, PersonCaller, Resource, cookie};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use store::SESSION_SECONDS;
use utoipa::ToSchema;
use web::{ApiPath, Problem};
use wire::{Role, TenantId, Timestamp};

/// A session in another organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Switched {
    /// The session's token, shown this once; none if the request's session is in a cookie, because then this one is as well.
    session_token: Option<String>,
    /// The organisation.
    organisation: Organisation,
    /// As what the person is in it.
    role: Role,
    /// When the session ends if it is not used until then.
    expires_at: Timestamp,
}

/// Switch to another of one's organisations.
///
/// Begins a new session there in the place of the one that the request bears. It ends, however it is used, a day after its
/// person signed in.
#[utoipa::path(
    post,
    path = "/auth/organisations/{tenant}/switch",
    tag = "members",
    params(("tenant" = TenantId, Path, description = "The organisation.")),
    responses((status = 201, description = "The new session.", body = Switched))
)]
pub(crate) async fn switch_organisation(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiPath(tenant): ApiPath<TenantId>,
    headers: HeaderMap,
    browser: Browser,
) -> Result<Response, Problem> {
    let own = api.store.person(&person.person);
    let membership = own
        .membership(&tenant)
        .await
        .or_problem()?
        .ok_or_else(|| Problem::not_found("organisation"))?;
    let (token, new) = new_session(&api, &membership, browser);
    let replace = async {
        let replaced = own
            .replace_session(&person.presented, &membership, &new, api.now())
            .await
            .or_problem()?;
        let session = replaced.ok_or_else(Problem::unauthenticated)?;
        let change = Change::new().with("role", membership.role);
        Ok(Audited::Changed(session, change))
    };
    // Two organisations are told: the one that the person goes to, and the one that they leave.
    let there = (
        Action::SessionSwitch,
        Resource::new("session", &new.session_id),
    );
    let who = author(&membership, &new.session_id);
    let replace = Box::pin(api.audited(who, there, replace));
    let here = (
        Action::SessionEnd,
        Resource::new("session", &person.session_id),
    );
    let leave = async { Ok(Audited::Changed(replace.await?, Change::new())) };
    let session = api.audited(&caller, here, leave).await?;
    // What scripts cannot read is not given to them in an answer.
    let in_cookie = cookie::read(&headers, cookie::SESSION).is_some();
    let switched = Switched {
        session_token: (!in_cookie).then(|| token.expose().to_owned()),
        organisation: (&membership).into(),
        role: membership.role,
        expires_at: session.expires_at,
    };
    let response = (StatusCode::CREATED, Json(switched)).into_response();
    if in_cookie {
        return with_cookie(response, cookie::session(&token, SESSION_SECONDS));
    }
    Ok(response)
}
