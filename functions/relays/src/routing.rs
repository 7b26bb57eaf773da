//! Routing rules: what becomes of a relay's events.

mod get_routing;
mod if_match;
mod put_routing;
mod test_routing;

use auth::{Access, Action, Routes, audited, unrecorded};
use axum::Json;
use domain::relay::Relay;
use http::header::ETAG;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use store::Routing;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::relay::{RoutingAction, RoutingDocument};
use wire::{Check, Fault};

/// Adds the routes of routing rules.
pub(crate) fn add(routes: Routes, read: Access, manage: Access) -> Routes {
    routes
        .route(read, routes!(get_routing::get_relay_routing))
        .route(
            manage,
            audited(
                &[Action::RelayRouting],
                routes!(put_routing::put_relay_routing),
            ),
        )
        .route(
            read,
            unrecorded(
                "tries rules and changes nothing",
                routes!(test_routing::test_relay_routing),
            ),
        )
}

/// Rules that can be used.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Rules(RoutingDocument);

impl Check for Rules {
    fn check(&self, faults: &mut Vec<Fault>) {
        faults.extend(domain::routing::check(&self.0));
    }
}

/// The routing rules of a relay.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoutingResponse {
    /// The rules.
    routing: RoutingDocument,
    /// Their version, which is also the `ETag`; 0 before there are any.
    version: u64,
}

/// The rules, and their version as `ETag`.
fn answer(routing: Routing) -> (HeaderMap, Json<RoutingResponse>) {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", routing.version)) {
        headers.insert(ETAG, tag);
    }
    let response = RoutingResponse {
        routing: routing.document,
        version: routing.version,
    };
    (headers, Json(response))
}

/// Rules that send decisions for which this relay has no queue.
fn without_queue(relay: &Relay, rules: &RoutingDocument) -> Vec<Fault> {
    if relay.decision_queue.is_some() {
        return Vec::new();
    }
    let all = rules.tools.iter().flat_map(|(tool, rules)| {
        let places = rules.iter().enumerate();
        places.map(move |(place, rule)| (tool, place, rule))
    });
    let decides = all.filter(|(_, _, rule)| {
        matches!(
            rule.then,
            RoutingAction::Notify { .. } | RoutingAction::Decide { .. }
        )
    });
    let faults = decides.map(|(tool, place, _)| Fault {
        pointer: format!("/tools/{tool}/{place}/then/action"),
        detail: "the relay has no `decision_queue` to send this to".to_owned(),
    });
    faults.collect()
}
