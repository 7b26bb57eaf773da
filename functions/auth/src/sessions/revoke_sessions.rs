//! Ends all of a person's sessions.

use crate::browser::with_cookie;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, PersonCaller, Resource, cookie};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use web::{ApiQuery, Problem};
use wire::Check;

/// Which sessions to spare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevokeQuery {
    /// Whether the one that this request bears goes on.
    #[serde(default)]
    #[param(default = false)]
    keep_current: bool,
}

impl Check for RevokeQuery {}

/// End all of one's own sessions, in every organisation.
#[utoipa::path(
    delete,
    path = "/auth/sessions",
    tag = "sign-in",
    params(RevokeQuery),
    responses((status = 204, description = "They have ended."))
)]
pub(crate) async fn revoke_sessions(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiQuery(query): ApiQuery<RevokeQuery>,
) -> Result<Response, Problem> {
    let keep = query.keep_current.then_some(&person.session_id);
    let resource = Resource::new("user", &person.user_id);
    let end = async {
        let own = api.store.person(&person.person);
        own.end_sessions(keep, api.now()).await.or_problem()?;
        Ok(Audited::Changed(
            (),
            Change::new().with("kept", query.keep_current),
        ))
    };
    api.audited(&caller, (Action::SessionRevokeAll, resource), end)
        .await?;
    let response = StatusCode::NO_CONTENT.into_response();
    if keep.is_none() {
        return with_cookie(response, cookie::end_session());
    }
    Ok(response)
}
