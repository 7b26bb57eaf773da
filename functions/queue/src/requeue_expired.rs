//! Looks after what is lost or overdue, now.

use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::Returned;
use utoipa::ToSchema;
use web::Problem;
use wire::JobStatus;

/// What a requeue pass came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequeueResponse {
    /// How many jobs of the caller's organisation went back in line.
    requeued_count: usize,
}

/// Requeue lost and overdue jobs now.
///
/// The control plane does that by itself every few seconds. A pass covers everything that is due; it counts what is the
/// caller's.
#[utoipa::path(
    post,
    path = "/api/queue/maintenance/requeue-expired",
    tag = "queue",
    responses((status = 200, description = "The pass is over.", body = RequeueResponse))
)]
pub(crate) async fn requeue_expired(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<RequeueResponse>, Problem> {
    let sweep = async {
        let swept = api
            .store
            .sweep_all(api.now(), || api.entropy.bytes())
            .await
            .or_problem()?;
        let is_requeued = |moved: &&Returned| {
            moved.tenant == *caller.tenant() && moved.status == JobStatus::Queued
        };
        let requeued_count = swept.moved.iter().filter(is_requeued).count();
        let change = Change::new().with("requeued", requeued_count);
        Ok(Audited::Changed(RequeueResponse { requeued_count }, change))
    };
    let subject = (Action::QueueSweep, Resource::new("queue", "all"));
    Ok(Json(api.audited(&caller, subject, sweep).await?))
}
