//! Takes a deployment out of production, and an earlier one back into it.

use super::{DeploymentResponse, change};
use auth::{Api, Caller};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::DeploymentAction;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{Check, DeploymentId, ServiceVersion, ShortText};

/// Where to roll back to, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollBackDeploymentRequest {
    /// A version of the service that was live before this one.
    to_version: ServiceVersion,
    /// Why.
    reason: ShortText,
}

impl Check for RollBackDeploymentRequest {}

/// Roll the live deployment back to an earlier version.
///
/// The last deployment of that version that was live before this one is live again in the same write. One that was rolled
/// back itself does not count, and a service remembers its last 50.
#[utoipa::path(
    post,
    path = "/api/dashboard/deployments/{id}/rollback",
    tag = "deployments",
    request_body = RollBackDeploymentRequest,
    params(("id" = DeploymentId, Path, description = "The deployment that is live.")),
    responses((status = 200, description = "It is `ROLLED_BACK`.", body = DeploymentResponse))
)]
pub(crate) async fn roll_back_deployment(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
    ApiJson(request): ApiJson<RollBackDeploymentRequest>,
) -> Result<Json<DeploymentResponse>, Problem> {
    let action = DeploymentAction::RollBack {
        to_version: request.to_version,
        reason: request.reason,
    };
    change(&api, &caller, "roll_back_deployment", &id, &action).await
}
