//! Shows one job.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::job::Job;
use web::{ApiPath, Problem};
use wire::{AgentId, JobId, JobResponse};

/// Show a job.
///
/// People see every job of their organisation, an agent those that it holds or held.
#[utoipa::path(
    get,
    path = "/api/queue/jobs/{id}",
    tag = "queue",
    params(("id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = JobResponse))
)]
pub(crate) async fn get_job(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    web::note_job(&id);
    let job = api
        .store
        .tenant(&caller.scope)
        .job(&id)
        .await
        .or_problem()?
        .filter(|job| caller.agent_id().is_none_or(|agent| has_held(job, agent)))
        .ok_or_else(|| Problem::not_found("job"))?;
    let job = web::view::job(&job, None);
    Ok(Json(JobResponse { job }))
}

fn has_held(job: &Job, agent: &AgentId) -> bool {
    job.holder().is_some_and(|holder| holder.agent_id == *agent)
        || job
            .history
            .iter()
            .any(|attempt| attempt.agent_id.as_ref() == Some(agent))
}
