//! Somebody signs out.

use crate::browser::with_cookie;
use crate::sign_in::end_presented;
use auth::{Action, Api, Audited, Caller, Change, PersonCaller, Resource, cookie};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::Problem;

/// Sign out.
///
/// Ends the session that the request bears, and takes its cookie away.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "sign-in",
    responses((status = 204, description = "The session has ended."))
)]
pub(crate) async fn log_out(
    State(api): State<Api>,
    caller: Caller,
    person: PersonCaller,
) -> Result<Response, Problem> {
    let resource = Resource::new("session", &person.session_id);
    let end = async {
        end_presented(&api, &person.presented).await?;
        Ok(Audited::Changed((), Change::new()))
    };
    api.audited(&caller, (Action::SessionEnd, resource), end)
        .await?;
    with_cookie(
        StatusCode::NO_CONTENT.into_response(),
        cookie::end_session(),
    )
}
