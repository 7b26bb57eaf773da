//! Shows what happened to one deployment.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::deployment::HistoryEntry;
use serde::Serialize;
use utoipa::ToSchema;
use web::{ApiPath, Problem};
use wire::{DeploymentId, DeploymentStatus, JobId, ServiceVersion, ShortText, Timestamp};

/// What happened to a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentHistory {
    /// The deployment.
    deployment_id: DeploymentId,
    /// What happened to it, newest first: the last 100 entries.
    history: Vec<HistoryView>,
}

/// One thing that happened to a deployment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentHistoryEntry)]
struct HistoryView {
    /// When.
    at: Timestamp,
    /// Where the deployment stood afterwards.
    status: DeploymentStatus,
    /// Who did it.
    by: String,
    /// The job that deployed, if one did.
    job_id: Option<JobId>,
    /// The other version, if there is one: the one that took its place, or the one whose place it took.
    other_version: Option<ServiceVersion>,
    /// Why, if somebody gave a reason.
    reason: Option<ShortText>,
}

/// Show what happened to a deployment.
#[utoipa::path(
    get,
    path = "/api/dashboard/deployments/{id}/history",
    tag = "deployments",
    params(("id" = DeploymentId, Path, description = "The deployment.")),
    responses((status = 200, description = "Its history.", body = DeploymentHistory))
)]
pub(crate) async fn show_deployment_history(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<DeploymentId>,
) -> Result<Json<DeploymentHistory>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let deployment = tenant.deployment(&id).await.or_problem()?;
    let deployment = deployment.ok_or_else(|| Problem::not_found("deployment"))?;
    Ok(Json(DeploymentHistory {
        deployment_id: deployment.deployment_id,
        history: deployment.history.into_iter().rev().map(entry).collect(),
    }))
}

fn entry(entry: HistoryEntry) -> HistoryView {
    HistoryView {
        at: entry.at,
        status: entry.status,
        by: entry.by,
        job_id: entry.job_id,
        other_version: entry.other_version,
        reason: entry.reason,
    }
}
