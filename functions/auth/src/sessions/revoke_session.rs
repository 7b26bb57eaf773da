//! Ends one of a person's sessions.

use crate::browser::with_cookie;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, PersonCaller, Resource, cookie};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::{ApiPath, Problem};
use wire::SessionId;

/// End one of one's own sessions.
///
/// It opens nothing from its next request on.
#[utoipa::path(
    delete,
    path = "/auth/sessions/{id}",
    tag = "sign-in",
    params(("id" = SessionId, Path, description = "The session.")),
    responses((status = 204, description = "The session has ended."))
)]
pub(crate) async fn revoke_session(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<Response, Problem> {
    let resource = Resource::new("session", &id);
    let end = async {
        let own = api.store.person(&person.person);
        if own.end_session(&id).await.or_problem()? {
            Ok(Audited::Changed((), Change::new()))
        } else {
            Err(Problem::not_found("session"))
        }
    };
    api.audited(&caller, (Action::SessionRevoke, resource), end)
        .await?;
    let response = StatusCode::NO_CONTENT.into_response();
    if id == person.session_id {
        return with_cookie(response, cookie::end_session());
    }
    Ok(response)
}
