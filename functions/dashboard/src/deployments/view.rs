//! Deployments as callers see them.

use domain::deployment::{Deployment, Rollback, State, Step};
use serde::Serialize;
use utoipa::ToSchema;
use wire::{
    CommitSha, DeploymentId, DeploymentStatus, GitAuthor, JobId, ServiceName, ServiceVersion,
    ShortText, Timestamp,
};

/// A deployment of one version of a service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deployment)]
pub(crate) struct DeploymentView {
    /// Its id.
    deployment_id: DeploymentId,
    /// The service.
    service_name: ServiceName,
    /// Its version.
    service_version: ServiceVersion,
    /// The commit that the version was built from.
    git_commit_sha: CommitSha,
    /// The commit's author.
    git_author: Option<GitAuthor>,
    /// The job that built it.
    build_job_id: Option<JobId>,
    /// The job that tested it.
    test_job_id: Option<JobId>,
    /// Where it stands.
    status: DeploymentStatus,
    /// When it was created.
    created_at: Timestamp,
    /// Who created it.
    created_by: String,
    /// How it got to staging, if it did.
    staging: Option<StepView>,
    /// How it first got to production, if it did.
    production: Option<StepView>,
    /// How it was taken out of production again, if it was.
    rollback: Option<RollbackView>,
    /// Why it was given up, if it was.
    failure: Option<FailureView>,
}

/// A step of a deployment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentStep)]
struct StepView {
    /// When.
    at: Timestamp,
    /// The job that deployed.
    job_id: JobId,
}

/// How a deployment was rolled back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentRollback)]
struct RollbackView {
    /// When.
    at: Timestamp,
    /// The version that took its place.
    to_version: ServiceVersion,
    /// Why.
    reason: ShortText,
}

/// How a deployment was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeploymentFailure)]
struct FailureView {
    /// When.
    at: Timestamp,
    /// Why.
    reason: ShortText,
}

/// The deployment as callers see it.
pub(crate) fn view(deployment: &Deployment) -> DeploymentView {
    let spec = deployment.spec.clone();
    let failure = match &deployment.state {
        State::Failed { at, reason, .. } => Some(FailureView {
            at: *at,
            reason: reason.clone(),
        }),
        State::Pending
        | State::Staged { .. }
        | State::Live { .. }
        | State::Superseded { .. }
        | State::RolledBack { .. } => None,
    };
    DeploymentView {
        deployment_id: deployment.deployment_id.clone(),
        service_name: spec.service_name,
        service_version: spec.service_version,
        git_commit_sha: spec.git_commit_sha,
        git_author: spec.git_author,
        build_job_id: spec.build_job_id,
        test_job_id: spec.test_job_id,
        status: deployment.status(),
        created_at: deployment.created_at,
        created_by: deployment.created_by.clone(),
        staging: deployment.staging().map(step),
        production: deployment.production().map(step),
        rollback: deployment.rollback().map(rollback),
        failure,
    }
}

fn step(step: &Step) -> StepView {
    StepView {
        at: step.at,
        job_id: step.job_id.clone(),
    }
}

fn rollback(rollback: &Rollback) -> RollbackView {
    RollbackView {
        at: rollback.at,
        to_version: rollback.to_version.clone(),
        reason: rollback.reason.clone(),
    }
}
