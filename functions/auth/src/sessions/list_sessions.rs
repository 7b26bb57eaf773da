//! Lists a person's sessions.

use auth::{Api, OrProblem, PersonCaller};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::PersonSession;
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};
use wire::{Check, SessionId, ShortText, TenantId, Timestamp};

/// A list that is not narrowed down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// A session of a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// The session. Its id opens nothing.
    session_id: SessionId,
    /// The organisation that it is in.
    organisation_id: TenantId,
    /// When it began.
    created_at: Timestamp,
    /// When it was last used, to five minutes.
    last_seen_at: Timestamp,
    /// When it ends if it is not used until then.
    expires_at: Timestamp,
    /// What the program that signed in calls itself.
    user_agent: Option<ShortText>,
    /// The address that it signed in from.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// Whether it is the one that this request bears.
    current: bool,
}

impl SessionView {
    fn new(session: PersonSession, current: &SessionId) -> Self {
        Self {
            current: session.session_id == *current,
            session_id: session.session_id,
            organisation_id: session.tenant,
            created_at: session.created_at,
            last_seen_at: session.seen_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            address: session.address,
        }
    }
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The sessions, newest first.
    sessions: Vec<SessionView>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

/// List one's own sessions, in every organisation.
#[utoipa::path(
    get,
    path = "/auth/sessions",
    tag = "sign-in",
    params(PageParams),
    responses((status = 200, description = "A page of sessions.", body = SessionList))
)]
pub(crate) async fn list_sessions(
    State(api): State<Api>,
    caller: PersonCaller,
    list: Listing<NoFilters>,
) -> Result<Json<SessionList>, Problem> {
    let tenant = caller.scope.tenant();
    let after = list.position(tenant)?;
    let page = api
        .store
        .person(&caller.person)
        .sessions(list.limit, after.as_ref(), api.now())
        .await
        .or_problem()?;
    let next_cursor = list.next_cursor(tenant, page.next.as_ref());
    let sessions = page.sessions.into_iter();
    Ok(Json(SessionList {
        sessions: sessions
            .map(|session| SessionView::new(session, &caller.session_id))
            .collect(),
        next_cursor,
    }))
}
