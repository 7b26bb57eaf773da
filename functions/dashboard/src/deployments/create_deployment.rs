//! Creates a deployment.

use super::{DeploymentResponse, change_of};
use auth::{Action, Api, Audited, Caller, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use domain::deployment::{Deployment, DeploymentSpec};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{DeploymentCreation, NewDeployment};
use utoipa::ToSchema;
use web::{ApiJson, IdempotencyKey, Problem, ProblemCode};
use wire::{Check, CommitSha, DeploymentId, GitAuthor, JobId, ServiceName, ServiceVersion};

/// A deployment to be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateDeploymentRequest {
    /// The service. It comes to be with its first deployment.
    service_name: ServiceName,
    /// Its version. A version may be deployed more than once.
    service_version: ServiceVersion,
    /// The commit that the version was built from.
    git_commit_sha: CommitSha,
    /// The commit's author.
    git_author: Option<GitAuthor>,
    /// The job that built it.
    build_job_id: Option<JobId>,
    /// The job that tested it.
    test_job_id: Option<JobId>,
}

impl Check for CreateDeploymentRequest {}

/// Create a deployment of one version of a service.
#[utoipa::path(
    post,
    path = "/api/dashboard/deployments",
    tag = "deployments",
    request_body = CreateDeploymentRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses(
        (status = 201, description = "It is `PENDING`.", body = DeploymentResponse),
        (status = 200, description = "The same request with the same key had created it before; this is how it is now.", body = DeploymentResponse),
    )
)]
pub(crate) async fn create_deployment(
    State(api): State<Api>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    ApiJson(request): ApiJson<CreateDeploymentRequest>,
) -> Result<(StatusCode, Json<DeploymentResponse>), Problem> {
    let now = api.now();
    let (id, request_sha256) = match &key {
        Some(key) => (
            NewDeployment::id_for_key(caller.tenant(), key.as_str()),
            Some(digest(&request)?),
        ),
        None => (DeploymentId::new(now, api.entropy.bytes()), None),
    };
    let spec = DeploymentSpec {
        service_name: request.service_name,
        service_version: request.service_version,
        git_commit_sha: request.git_commit_sha,
        git_author: request.git_author,
        build_job_id: request.build_job_id,
        test_job_id: request.test_job_id,
    };
    let new = NewDeployment {
        deployment: Deployment::create(id, spec, caller.created_by(), now),
        request_sha256,
    };
    let create = async {
        let tenant = api.store.tenant(&caller.scope);
        let write_id = api.write_id();
        let created = tenant.create_deployment(&new, &write_id).await;
        match created.or_problem()? {
            DeploymentCreation::Created(deployment) => {
                let response = DeploymentResponse::new(&deployment);
                let change = change_of(None, &deployment);
                Ok(Audited::Changed((StatusCode::CREATED, response), change))
            }
            DeploymentCreation::Existing(deployment) => {
                let response = DeploymentResponse::new(&deployment);
                Ok(Audited::Unchanged((StatusCode::OK, response)))
            }
            DeploymentCreation::Conflict => Err(Problem::conflict(
                ProblemCode::IdempotencyConflict,
                "this `Idempotency-Key` came with another request before",
            )),
        }
    };
    let resource = Resource::deployment(&new.deployment.deployment_id);
    let subject = (Action::DeploymentCreate, resource);
    api.audited(&caller, subject, create).await
}

/// The digest of a request as it was understood, so that a repeated request may be spelt differently.
fn digest(request: &CreateDeploymentRequest) -> Result<[u8; 32], Problem> {
    let canonical = serde_json::to_vec(request).map_err(|error| {
        tracing::error!(%error, "a request could not be written down");
        Problem::internal()
    })?;
    Ok(Sha256::digest(canonical).into())
}
