//! Deployments, and the services that they are versions of.

mod create_deployment;
mod fail_deployment;
mod list_deployments;
mod list_service_deployments;
mod list_services;
mod promote_deployment;
mod roll_back_deployment;
mod show_deployment;
mod show_history;
mod stage_deployment;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use view::{DeploymentView, view};

use auth::{
    Access, Action, Api, Audited, Caller, Change, OrProblem, Resource, Routes, Scope, audited,
};
use axum::Json;
use domain::deployment::{Deployment, TransitionError};
use serde::{Deserialize, Serialize};
use store::{DeploymentAction, DeploymentOutcome};
use utoipa::ToSchema;
use utoipa_axum::routes;
use web::{Problem, ProblemCode};
use wire::{Check, DeploymentId, JobId};

/// Adds the routes of deployments and services.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::DeploymentsRead);
    let write = Access::people(Scope::DeploymentsWrite);
    routes
        .route(
            write,
            audited(
                &[Action::DeploymentCreate],
                routes!(create_deployment::create_deployment),
            ),
        )
        .route(read, routes!(list_deployments::list_deployments))
        .route(read, routes!(show_deployment::show_deployment))
        .route(read, routes!(show_history::show_deployment_history))
        .route(
            write,
            audited(
                &[Action::DeploymentStage],
                routes!(stage_deployment::stage_deployment),
            ),
        )
        .route(
            write,
            audited(
                &[Action::DeploymentPromote],
                routes!(promote_deployment::promote_deployment),
            ),
        )
        .route(
            write,
            audited(
                &[Action::DeploymentFail],
                routes!(fail_deployment::fail_deployment),
            ),
        )
        .route(
            write,
            audited(
                &[Action::DeploymentRollBack],
                routes!(roll_back_deployment::roll_back_deployment),
            ),
        )
        .route(
            read,
            routes!(list_service_deployments::list_deployments_of_service),
        )
        .route(read, routes!(list_services::list_services))
        .route(
            read,
            routes!(list_service_deployments::list_service_deployments),
        )
}

/// An answer with one deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentResponse {
    /// The deployment.
    deployment: DeploymentView,
}

impl DeploymentResponse {
    fn new(deployment: &Deployment) -> Json<Self> {
        let deployment = view(deployment);
        Json(Self { deployment })
    }
}

/// A page of deployments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentList {
    /// The deployments, newest first. A page may have fewer than `limit`, even none, and still not be the last.
    deployments: Vec<DeploymentView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// The job that deployed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeployedByRequest {
    /// The job. It is not looked up: ended jobs are forgotten after 30 days, deployments are not.
    job_id: JobId,
}

impl Check for DeployedByRequest {}

/// What the action makes of the deployment, with a record of it.
async fn change(
    api: &Api,
    caller: &Caller,
    operation: &'static str,
    id: &DeploymentId,
    action: &DeploymentAction,
) -> Result<Json<DeploymentResponse>, Problem> {
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let seen = tenant.deployment(id).await.or_problem()?;
        let by = caller.created_by();
        let outcome = tenant
            .change_deployment(operation, id, action, (&by, api.now()), &api.write_id())
            .await
            .or_problem()?;
        Ok(match settled(outcome)? {
            Settled::Changed(after) => {
                let change = change_of(seen.as_ref(), &after);
                Audited::Changed(DeploymentResponse::new(&after), change)
            }
            Settled::AlreadyDone(deployment) => {
                Audited::Unchanged(DeploymentResponse::new(&deployment))
            }
        })
    };
    let recorded = match action {
        DeploymentAction::Stage { .. } => Action::DeploymentStage,
        DeploymentAction::Promote { .. } => Action::DeploymentPromote,
        DeploymentAction::Fail { .. } => Action::DeploymentFail,
        DeploymentAction::RollBack { .. } => Action::DeploymentRollBack,
    };
    let subject = (recorded, Resource::deployment(id));
    api.audited(caller, subject, change).await
}

/// What is recorded of a change. What was seen first is what was there before, unless somebody else wrote in between.
fn change_of(seen: Option<&Deployment>, after: &Deployment) -> Change {
    let change = Change::new()
        .after(&view(after))
        .with("service", &after.spec.service_name)
        .with("status", after.status());
    match seen.filter(|seen| seen.revision + 1 == after.revision) {
        Some(before) => change.before(&view(before)),
        None => change,
    }
}

/// An action that was not refused.
enum Settled {
    Changed(Deployment),
    AlreadyDone(Deployment),
}

fn settled(outcome: DeploymentOutcome) -> Result<Settled, Problem> {
    let (refusal, deployment) = match outcome {
        DeploymentOutcome::Changed(deployment) => return Ok(Settled::Changed(deployment)),
        DeploymentOutcome::AlreadyDone(deployment) => {
            return Ok(Settled::AlreadyDone(deployment));
        }
        DeploymentOutcome::Refused(refusal, deployment) => (refusal, deployment),
        DeploymentOutcome::Missing => return Err(Problem::not_found("deployment")),
        DeploymentOutcome::Contended => {
            let detail = "others kept changing the service's deployments; nothing was changed";
            return Err(Problem::new(ProblemCode::Contended, detail).retry_after(1));
        }
    };
    Err(Problem::conflict(
        ProblemCode::IllegalTransition,
        match refusal {
            TransitionError::Illegal(_) => {
                format!(
                    "not possible while the deployment is {}",
                    deployment.status()
                )
            }
            TransitionError::NotStaged => {
                "production needs staging first; the deployment is PENDING".to_owned()
            }
            TransitionError::NeverLive => {
                "no deployment of that version was live before this one".to_owned()
            }
        },
    ))
}
