//! A relay says that it is there.

use crate::keys::heartbeat_seconds;
use auth::{Api, OrProblem, RelayCaller};
use axum::Json;
use axum::extract::State;
use domain::relay::Heard;
use web::{ApiJson, Problem};
use wire::relay::{RelayHeartbeatRequest, RelayHeartbeatResponse};

/// Send a relay's heartbeat.
///
/// The request is signed with the relay's key. A relay that was not heard of for three minutes is `OFFLINE`.
#[utoipa::path(
    post,
    path = "/api/relays/heartbeat",
    tag = "relays",
    request_body = RelayHeartbeatRequest,
    responses((status = 200, description = "How the relay stands.", body = RelayHeartbeatResponse))
)]
pub(crate) async fn send_relay_heartbeat(
    State(api): State<Api>,
    caller: RelayCaller,
    ApiJson(request): ApiJson<RelayHeartbeatRequest>,
) -> Result<Json<RelayHeartbeatResponse>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let gone = || Problem::not_found("relay");
    let heard = Heard {
        at: now,
        version: request.version,
        queue_reachable: request.queue_reachable,
        vault_reachable: request.vault_reachable,
        sent: request.sent,
        refused: request.refused,
        duplicates: request.duplicates,
        queue_depth: request.queue_depth,
    };
    let noted = tenant.note_relay_heartbeat(&caller.relay_id, &heard).await;
    if !noted.or_problem()? {
        return Err(gone());
    }
    let relay = tenant.relay(&caller.relay_id).await.or_problem()?;
    let relay = relay.ok_or_else(gone)?;
    Ok(Json(RelayHeartbeatResponse {
        health: relay.health(now),
        relay_id: relay.relay_id,
        next_heartbeat_seconds: heartbeat_seconds(),
        key_expires_at: caller.key_expires_at,
    }))
}
