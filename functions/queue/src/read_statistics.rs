//! Shows what waits, what runs, and how the last 24 hours went.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::Statistics;
use utoipa::{IntoParams, ToSchema};
use web::{ApiQuery, Problem};
use wire::{Check, PoolName, Timestamp};

/// Whose statistics.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those of this pool. Default: of all pools together.
    pool_name: Option<PoolName>,
}

impl Check for Filters {}

/// The state of the queue, at most a minute old.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueStatistics {
    /// When it was taken.
    as_of: Timestamp,
    /// Jobs that wait.
    queued: u64,
    /// Jobs that are claimed and not started.
    claimed: u64,
    /// Jobs that run.
    running: u64,
    /// Jobs of the last 24 hours that were completed.
    completed: u64,
    /// Jobs of the last 24 hours that failed.
    failed: u64,
    /// Jobs of the last 24 hours that were dead-lettered.
    dead_lettered: u64,
    /// Jobs of the last 24 hours that were cancelled.
    cancelled: u64,
    /// The average wait of the last 24 hours.
    avg_wait_seconds: f64,
    /// The wait that 95 % of the jobs of the last 24 hours did not exceed.
    p95_wait_seconds: f64,
    /// The average run of the last 24 hours.
    avg_execution_seconds: f64,
    /// (failed + dead-lettered) / (completed + failed + dead-lettered) of the last 24 hours; 0 if none ended.
    failure_rate: f64,
}

impl From<Statistics> for QueueStatistics {
    fn from(statistics: Statistics) -> Self {
        let ended = statistics.ended;
        Self {
            as_of: statistics.as_of,
            queued: statistics.queued,
            claimed: statistics.claimed,
            running: statistics.running,
            completed: ended.completed,
            failed: ended.failed,
            dead_lettered: ended.dead_lettered,
            cancelled: ended.cancelled,
            avg_wait_seconds: statistics.avg_wait_seconds,
            p95_wait_seconds: statistics.p95_wait_seconds,
            avg_execution_seconds: statistics.avg_execution_seconds,
            failure_rate: statistics.failure_rate,
        }
    }
}

/// Show the state of the queue and its last 24 hours.
///
/// At most 60 s behind; `as_of` says when it was taken. Zeros for a pool that no roll-up has seen yet.
#[utoipa::path(
    get,
    path = "/api/queue/stats",
    tag = "queue",
    params(Filters),
    responses((status = 200, description = "The statistics.", body = QueueStatistics))
)]
pub(crate) async fn read_statistics(
    State(api): State<Api>,
    caller: Caller,
    ApiQuery(filters): ApiQuery<Filters>,
) -> Result<Json<QueueStatistics>, Problem> {
    let statistics = api
        .store
        .tenant(&caller.scope)
        .statistics(filters.pool_name.as_ref(), api.now())
        .await
        .or_problem()?;
    Ok(Json(statistics.into()))
}
