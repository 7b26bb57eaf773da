//! People: signed in with a provider, their sessions, API tokens, organisations and the members of these.

mod attempts;
mod begin_login;
mod browser;
mod create_session;
mod finish_login;
mod invitations;
mod log_out;
mod members;
mod organisations;
mod pre_login;
mod providers;
mod return_to;
mod sessions;
mod settings;
mod sign_in;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
mod tokens;
mod validate_credential;
mod view;

pub use providers::SignIn;

use auth::{Access, Action, Api, Program, Routes, audited, unrecorded};
use store::TableKind;
use utoipa_axum::routes;

/// What it reads from its environment.
pub const PROGRAM: Program = Program {
    name: "auth",
    version: env!("CARGO_PKG_VERSION"),
    // Organisations are among the tenants that maintenance goes through, and these stand with the agents.
    tables: &[TableKind::Agents, TableKind::Audit],
};

/// The routes of people's identity, for whom the providers know.
pub fn routes(api: Api, sign_in: SignIn) -> Routes {
    let own = Access::signed_in();
    let routes = Routes::new(api)
        .public(routes!(begin_login::begin_login))
        .public(audited(
            &[
                Action::SessionCreate,
                Action::SessionEnd,
                Action::OrganisationCreate,
            ],
            routes!(finish_login::finish_login),
        ))
        .public(audited(
            &[Action::SessionCreate, Action::OrganisationCreate],
            routes!(create_session::create_session),
        ))
        .route(
            own.or_any_token(),
            unrecorded(
                "tells who calls, and changes nothing",
                routes!(validate_credential::validate_credential),
            ),
        )
        .route(
            own,
            audited(&[Action::SessionEnd], routes!(log_out::log_out)),
        );
    let routes = sessions::add(routes);
    let routes = tokens::add(routes);
    let routes = members::add(routes);
    let routes = invitations::add(routes);
    organisations::add(routes).share(sign_in)
}
