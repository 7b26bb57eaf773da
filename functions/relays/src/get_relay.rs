//! Shows a relay.

use crate::view::{self, RelayResponse};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::relay::Relay;
use web::{ApiPath, Problem};
use wire::RelayId;

/// Show a relay.
#[utoipa::path(
    get,
    path = "/api/relays/{id}",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay.")),
    responses((status = 200, description = "The relay.", body = RelayResponse))
)]
pub(crate) async fn get_relay(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
) -> Result<Json<RelayResponse>, Problem> {
    let relay = relay(&api, &caller, &id).await?;
    Ok(Json(RelayResponse {
        relay: view::relay(&relay, api.now()),
    }))
}

/// The relay of the caller's organisation.
///
/// # Errors
/// 404 if there is none; what the store's failures are mapped to.
pub(crate) async fn relay(api: &Api, caller: &Caller, id: &RelayId) -> Result<Relay, Problem> {
    let relay = api.store.tenant(&caller.scope).relay(id).await;
    relay
        .or_problem()?
        .ok_or_else(|| Problem::not_found("relay"))
}
