//! The state of everything at a glance.

use crate::deployments::{self, DeploymentView};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::{DeploymentFilter, JobFilter};
use utoipa::ToSchema;
use web::Problem;
use wire::Job;

/// How many of the newest jobs and deployments are shown.
const RECENT: usize = 5;

/// The state of everything at a glance. Numbers of jobs and agents are those of the last roll-up, at most a minute old.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Summary {
    /// Jobs that were ever enqueued, but for those that ended before they were first counted.
    total_jobs: u64,
    /// Jobs that run.
    jobs_running: u64,
    /// Jobs that were ever completed.
    jobs_completed: u64,
    /// Jobs that ever failed or were dead-lettered.
    jobs_failed: u64,
    /// Jobs that failed or were dead-lettered since midnight UTC.
    jobs_failed_today: u64,
    /// Jobs that wait.
    queue_depth: u64,
    /// The average wait of the last 24 hours.
    avg_wait_seconds: f64,
    /// Deployments that were ever created.
    total_deployments: u64,
    /// Deployments that were created since midnight UTC.
    deployments_today: u64,
    /// Deployments in production.
    deployments_active: u64,
    /// Deployments on staging.
    deployments_staging: u64,
    /// Deployments that were given up.
    deployments_failed: u64,
    /// Agents that are healthy.
    agents_healthy: u64,
    /// Agents that have not been deregistered, with those that were lost within a day.
    agents_total: u64,
    /// The newest jobs.
    recent_jobs: Vec<Job>,
    /// The newest deployments.
    recent_deployments: Vec<DeploymentView>,
}

/// Show the state of everything at a glance.
#[utoipa::path(
    get,
    path = "/api/dashboard/summary",
    tag = "dashboard",
    responses((status = 200, description = "The summary.", body = Summary))
)]
pub(crate) async fn summary(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<Summary>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let newest = JobFilter::default();
    let newest_deployments = DeploymentFilter::default();
    let (statistics, counts, recent, jobs) = futures_util::try_join!(
        tenant.statistics(None, now),
        tenant.deployment_counts(now),
        tenant.deployments(&newest_deployments, RECENT, None),
        tenant.jobs(&newest, RECENT, None),
    )
    .or_problem()?;
    let ended = statistics.totals;
    let failed = ended.failed + ended.dead_lettered;
    let open = statistics.queued + statistics.claimed + statistics.running;
    Ok(Json(Summary {
        total_jobs: open + ended.completed + failed + ended.cancelled,
        jobs_running: statistics.running,
        jobs_completed: ended.completed,
        jobs_failed: failed,
        jobs_failed_today: statistics.failed_today,
        queue_depth: statistics.queued,
        avg_wait_seconds: statistics.avg_wait_seconds,
        total_deployments: counts.total,
        deployments_today: counts.today,
        deployments_active: counts.active,
        deployments_staging: counts.staging,
        deployments_failed: counts.failed,
        agents_healthy: statistics.agents.healthy,
        agents_total: statistics.agents.total(),
        recent_jobs: jobs
            .jobs
            .iter()
            .map(|job| web::view::job(job, None))
            .collect(),
        recent_deployments: recent.deployments.iter().map(deployments::view).collect(),
    }))
}
