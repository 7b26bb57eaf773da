//! Shows one deployment.

use super::DeploymentResponse;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use web::{ApiPath, Problem};
use wire::DeploymentId;

/// Show a deployment.
#[utoipa::path(
    get,
    path = "/api/dashboard/deployments/{id}",
    tag = "deployments",
    params(("id" = DeploymentId, Path, description = "The deployment.")),
    responses((status = 200, description = "The deployment.", body = DeploymentResponse))
)]
pub(crate) async fn show_deployment(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
) -> Result<Json<DeploymentResponse>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let deployment = tenant.deployment(&id).await.or_problem()?;
    let deployment = deployment.ok_or_else(|| Problem::not_found("deployment"))?;
    Ok(DeploymentResponse::new(&deployment))
}
