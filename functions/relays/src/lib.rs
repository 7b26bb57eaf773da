//! Relays: set up, given their keys, heard of; what becomes of their events, and what became of them.

mod delete_relay;
mod enrol_relay;
mod get_relay;
mod keys;
mod list_events;
mod list_relays;
mod register_relay;
mod role_guard;
mod rotate_key;
mod routing;
mod send_heartbeat;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
mod view;

pub use role_guard::RoleGuard;

use auth::{Access, Action, Api, Program, Routes, Scope, audited, unrecorded};
use store::TableKind;
use utoipa_axum::routes;

/// What it reads from its environment.
pub const PROGRAM: Program = Program {
    name: "relays",
    version: env!("CARGO_PKG_VERSION"),
    tables: &[TableKind::Relays, TableKind::Agents, TableKind::Audit],
};

/// The routes of relays, of their keys, of their routing rules and of their events.
pub fn routes(api: Api, roles: RoleGuard) -> Routes {
    let read = Access::people(Scope::RelaysRead);
    let manage = Access::people(Scope::RelaysManage);
    let own = Scope::RelaysHeartbeat;
    let routes = Routes::new(api)
        .route(
            manage,
            audited(
                &[Action::RelayCreate],
                routes!(register_relay::register_relay),
            ),
        )
        .route_for_relays(
            Access::relay_enrolment(Scope::RelaysEnrol),
            audited(&[Action::RelayEnrol], routes!(enrol_relay::enrol_relay)),
        )
        .route_for_relays(
            Access::relay(own),
            unrecorded(
                "says that a relay is alive",
                routes!(send_heartbeat::send_relay_heartbeat),
            ),
        )
        .route_for_relays(
            manage.or_own_relay(own),
            audited(
                &[Action::RelayRotate],
                routes!(rotate_key::rotate_relay_key),
            ),
        )
        .route(read, routes!(list_relays::list_relays))
        .route(read, routes!(get_relay::get_relay))
        .route(
            manage,
            audited(&[Action::RelayDelete], routes!(delete_relay::delete_relay)),
        )
        .route(read, routes!(list_events::list_relay_events));
    routing::add(routes, read, manage).share(roles)
}
