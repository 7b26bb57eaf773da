//! Shows a relay's routing rules.

use super::{RoutingResponse, answer};
use crate::get_relay;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use web::{ApiPath, Problem};
use wire::RelayId;

/// Show a relay's routing rules.
#[utoipa::path(
    get,
    path = "/api/relays/{id}/routing",
    tag = "relays",
    params(("id" = RelayId, Path, description = "The relay.")),
    responses((
        status = 200,
        description = "The rules.",
        body = RoutingResponse,
        headers(("ETag" = String, description = "The version, for `If-Match`."))
    ))
)]
pub(crate) async fn get_relay_routing(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<RelayId>,
) -> Result<(HeaderMap, Json<RoutingResponse>), Problem> {
    get_relay::relay(&api, &caller, &id).await?;
    let routing = api.store.tenant(&caller.scope).routing(&id).await;
    Ok(answer(routing.or_problem()?))
}
