//! A person's sessions, wherever they are signed in.

mod list_sessions;
mod revoke_session;
mod revoke_sessions;

pub(crate) use list_sessions::NoFilters;

use auth::{Access, Action, Routes, audited};
use utoipa_axum::routes;

/// Adds the routes of sessions.
pub(crate) fn add(routes: Routes) -> Routes {
    let own = Access::signed_in();
    routes
        .route(own, routes!(list_sessions::list_sessions))
        .route(
            own,
            audited(
                &[Action::SessionRevokeAll],
                routes!(revoke_sessions::revoke_sessions),
            ),
        )
        .route(
            own,
            audited(
                &[Action::SessionRevoke],
                routes!(revoke_session::revoke_session),
            ),
        )
}
