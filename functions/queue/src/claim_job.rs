//! Gives an agent work.

use crate::warm::Warm;
use auth::{AgentCaller, Api, OrProblem};
use axum::extract::State;
use axum::{Extension, Json};
use domain::agent::Agent;
use domain::job::Holder;
use std::time::Duration;
use store::{ClaimWish, Claimed, TenantStore};
use web::{ApiJsonOrEmpty, Problem, ProblemCode};
use wire::{AgentId, ClaimRequest, ClaimResponse, Timestamp};

/// How long an agent waits that is not to be given work.
const NOT_NOW_SECONDS: f64 = 5.0;
/// How long an agent's call may be held up by a sweep.
const SWEEP_WITHIN: Duration = Duration::from_secs(1);
/// How long an agent waits when nothing is in line.
const IDLE_SECONDS: f64 = 2.0;
/// How long an agent waits that was given less than it asked for, or lost every job to others.
const MORE_TO_COME_SECONDS: f64 = 1.0;

/// Ask for work.
///
/// Jobs are given by priority, then by the time they were enqueued. The agent has 30 s to start what it is given. An agent
/// that drains, is paused or was not heard of is given nothing; no work is 200 with `job: null`.
#[utoipa::path(
    post,
    path = "/api/queue/claim",
    tag = "queue",
    request_body = Option<ClaimRequest>,
    responses((status = 200, description = "The work, if there is any.", body = ClaimResponse))
)]
pub(crate) async fn claim_job(
    State(api): State<Api>,
    Extension(warm): Extension<Warm>,
    caller: AgentCaller,
    ApiJsonOrEmpty(request): ApiJsonOrEmpty<ClaimRequest>,
) -> Result<Json<ClaimResponse>, Problem> {
    if request.pool_name.is_some_and(|pool| pool != caller.pool) {
        return Err(Problem::invalid_at(
            "/pool_name",
            "must be the agent's own pool",
        ));
    }
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let agent = agent(&tenant, &caller.agent_id).await?;
    let pool = tenant
        .ensure_pool(&caller.pool, now, &api.write_id())
        .await
        .or_problem()?;
    if !(agent.accepts_work(now) && pool.gives_work()) {
        return Ok(Json(nothing(NOT_NOW_SECONDS)));
    }
    let holder = Holder {
        agent_id: caller.agent_id,
        epoch: agent.epoch,
    };
    let wish = ClaimWish {
        pool: &caller.pool,
        ready_shards: pool.ready_shards,
        holder: &holder,
        max_jobs: request.max_jobs.unwrap_or(1) as usize,
        order: &warm.order,
    };
    let mut claimed = claim(&api, &tenant, &wish, now).await?;
    if claimed.jobs.is_empty() && sweep(&api, &warm, now).await {
        claimed = claim(&api, &tenant, &wish, api.now()).await?;
    }
    Ok(Json(answer(&claimed, wish.max_jobs, agent.lease_ends_at())))
}

/// The agent. Read where it is cheap first; there it may be missing still, if it has only just registered.
async fn agent(tenant: &TenantStore<'_>, agent_id: &AgentId) -> Result<Agent, Problem> {
    if let Some(agent) = tenant.agent_eventually(agent_id).await.or_problem()? {
        return Ok(agent);
    }
    tenant.agent(agent_id).await.or_problem()?.ok_or_else(|| {
        Problem::conflict(
            ProblemCode::AgentTerminated,
            "the agent is gone; register again",
        )
    })
}

async fn claim(
    api: &Api,
    tenant: &TenantStore<'_>,
    wish: &ClaimWish<'_>,
    now: Timestamp,
) -> Result<Claimed, Problem> {
    tenant
        .claim_jobs(wish, now, || api.entropy.bytes())
        .await
        .or_problem()
}

/// An idle process looks after what is overdue, now and then. Whether that moved anything.
async fn sweep(api: &Api, warm: &Warm, now: Timestamp) -> bool {
    let Some(shard) = warm.shard_to_sweep(now) else {
        return false;
    };
    // What is broken off here is made good by the next sweep; an agent does not wait for it.
    let swept = api.store.sweep_shard(shard, now, || api.entropy.bytes());
    match tokio::time::timeout(SWEEP_WITHIN, swept).await {
        Err(_) => false,
        Ok(Ok(swept)) => !swept.moved.is_empty(),
        // The agent asked for work and not for this; the schedule does it too.
        Ok(Err(error)) => {
            tracing::warn!(%error, shard, "a sweep failed");
            false
        }
    }
}

fn nothing(retry_after_seconds: f64) -> ClaimResponse {
    ClaimResponse {
        job: None,
        jobs: Vec::new(),
        retry_after_seconds,
    }
}

fn answer(claimed: &Claimed, wanted: usize, lease_ends_at: Timestamp) -> ClaimResponse {
    let jobs: Vec<_> = claimed
        .jobs
        .iter()
        .map(|job| web::view::job(job, Some(lease_ends_at)))
        .collect();
    if let [only] = claimed.jobs.as_slice() {
        web::note_job(&only.job_id);
    }
    let retry_after_seconds = if jobs.len() >= wanted {
        0.0
    } else if jobs.is_empty() && claimed.lost_races == 0 {
        IDLE_SECONDS
    } else {
        MORE_TO_COME_SECONDS
    };
    ClaimResponse {
        job: jobs.first().cloned(),
        jobs,
        retry_after_seconds,
    }
}
