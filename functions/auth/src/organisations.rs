//! The organisations that a person is in.

mod leave_organisation;
mod list_organisations;
mod switch_organisation;

use auth::{Access, Action, Routes, audited};
use utoipa_axum::routes;

/// Adds the routes of organisations.
pub(crate) fn add(routes: Routes) -> Routes {
    let own = Access::signed_in();
    routes
        .route(own, routes!(list_organisations::list_organisations))
        .route(
            own,
            audited(
                &[Action::SessionSwitch, Action::SessionEnd],
                routes!(switch_organisation::switch_organisation),
            ),
        )
        .route(
            own,
            audited(
                &[Action::MemberLeave],
                routes!(leave_organisation::leave_organisation),
            ),
        )
}
