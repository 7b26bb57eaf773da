//! Records that a deployment is in production.

use super::{DeployedByRequest, DeploymentResponse, change};
use auth::{Api, Caller};
use axum::Json;
use axum::extract::State;
use store::DeploymentAction;
use web::{ApiJson, ApiPath, Problem};
use wire::DeploymentId;

/// Record that a job deployed it to production.
///
/// The deployment of the service that was live until now is superseded in the same write. Production needs staging first.
#[utoipa::path(
    post,
    path = "/api/dashboard/deployments/{id}/production",
    tag = "deployments",
    request_body = DeployedByRequest,
    params(("id" = DeploymentId, Path, description = "The deployment.")),
    responses((status = 200, description = "It is `LIVE`, or has been before by this job.", body = DeploymentResponse))
)]
pub(crate) async fn promote_deployment(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
    ApiJson(request): ApiJson<DeployedByRequest>,
) -> Result<Json<DeploymentResponse>, Problem> {
    let action = DeploymentAction::Promote {
        job_id: request.job_id,
    };
    change(&api, &caller, "promote_deployment", &id, &action).await
}
