//! Records that a deployment is on staging.

use super::{DeployedByRequest, DeploymentResponse, change};
use auth::{Api, Caller};
use axum::Json;
use axum::extract::State;
use store::DeploymentAction;
use web::{ApiJson, ApiPath, Problem};
use wire::DeploymentId;

/// Record that a job deployed it to staging.
#[utoipa::path(
    post,
    path = "/api/dashboard/deployments/{id}/staging",
    tag = "deployments",
    request_body = DeployedByRequest,
    params(("id" = DeploymentId, Path, description = "The deployment.")),
    responses((status = 200, description = "It is `STAGED`, or has been before by this job.", body = DeploymentResponse))
)]
pub(crate) async fn stage_deployment(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
    ApiJson(request): ApiJson<DeployedByRequest>,
) -> Result<Json<DeploymentResponse>, Problem> {
    let action = DeploymentAction::Stage {
        job_id: request.job_id,
    };
    change(&api, &caller, "stage_deployment", &id, &action).await
}
