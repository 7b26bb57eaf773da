//! Gives a deployment up.

use super::{DeploymentResponse, change};
use auth::{Api, Caller};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::DeploymentAction;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{Check, DeploymentId, ShortText};

/// Why a deployment is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailDeploymentRequest {
    /// Why.
    reason: ShortText,
}

impl Check for FailDeploymentRequest {}

/// Give a deployment up before production.
#[utoipa::path(
    post,
    path = "/api/dashboard/deployments/{id}/fail",
    tag = "deployments",
    request_body = FailDeploymentRequest,
    params(("id" = DeploymentId, Path, description = "The deployment.")),
    responses((status = 200, description = "It is `FAILED`.", body = DeploymentResponse))
)]
pub(crate) async fn fail_deployment(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
    ApiJson(request): ApiJson<FailDeploymentRequest>,
) -> Result<Json<DeploymentResponse>, Problem> {
    let action = DeploymentAction::Fail {
        reason: request.reason,
    };
    change(&api, &caller, "fail_deployment", &id, &action).await
}
