//! An agent says that it is alive, and is told what to stop.

use crate::register_agent::seconds;
use crate::view::changed;
use auth::{Api, KnownAgent, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::agent::{Event, Metrics};
use domain::job::Job;
use domain::timing::{HEARTBEAT_INTERVAL_SECONDS, SESSION_SECONDS};
use std::collections::HashMap;
use store::{AgentOutcome, TenantStore};
use web::{ApiJson, ApiPath, Problem};
use wire::{AgentId, HeartbeatRequest, HeartbeatResponse, HeldJob, JobId, Timestamp};

/// Send a heartbeat.
///
/// It renews the lease of everything that the agent holds with one write. `cancel` names jobs to stop and report as
/// `CANCELLED`, `drop` attempts to stop and report nothing of: they are no longer the agent's.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/heartbeat",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent itself.")),
    request_body = HeartbeatRequest,
    responses((status = 200, description = "What to do.", body = HeartbeatResponse))
)]
pub(crate) async fn send_heartbeat(
    State(api): State<Api>,
    caller: KnownAgent,
    ApiPath(agent_id): ApiPath<AgentId>,
    ApiJson(request): ApiJson<HeartbeatRequest>,
) -> Result<Json<HeartbeatResponse>, Problem> {
    let now = api.now();
    let event = Event::Heartbeat(Metrics {
        cpu_percent: request.cpu_percent,
        memory_percent: request.memory_percent,
        disk_percent: request.disk_percent,
        uptime_seconds: request.uptime_seconds,
    });
    let scope = caller.scope().clone();
    let tenant = api.store.tenant(&scope);
    let outcome = tenant
        .change_agent("heartbeat", &agent_id, &event, now, &api.write_id())
        .await
        .or_problem()?;
    // The write holds only if the agent has not been ended, and so proves its session. Nothing else does.
    if !matches!(outcome, AgentOutcome::Changed(_)) {
        caller.confirm(&api).await?;
    }
    let agent = changed(outcome)?;
    let session_expires_at = renew(&api, &caller, now).await?;
    let ids: Vec<_> = request
        .jobs
        .iter()
        .map(|held| held.job_id.clone())
        .collect();
    let jobs = if ids.is_empty() {
        Vec::new()
    } else {
        held_jobs(&tenant, &ids).await?
    };
    let (cancel, dropped) = to_stop(&agent_id, request.jobs, &jobs);
    Ok(Json(HeartbeatResponse {
        status: agent.status(now),
        agent_id,
        next_heartbeat_seconds: seconds(HEARTBEAT_INTERVAL_SECONDS),
        cancel,
        dropped,
        directive: agent.directive,
        session_expires_at,
    }))
}

/// The jobs that the agent holds, as they were a moment ago. One that is missing there may be too new to be seen: whether
/// it exists is asked for again, because its absence would have the agent stop it.
async fn held_jobs(tenant: &TenantStore<'_>, ids: &[JobId]) -> Result<Vec<Job>, Problem> {
    let mut jobs = tenant.jobs_by_ids(ids).await.or_problem()?;
    for id in ids {
        if jobs.iter().all(|job| job.job_id != *id) {
            jobs.extend(tenant.job(id).await.or_problem()?);
        }
    }
    Ok(jobs)
}

/// Renews the session when less than half of its time is left and the key behind it is good: a write every half hour.
/// Until when it is good.
async fn renew(api: &Api, caller: &KnownAgent, now: Timestamp) -> Result<Timestamp, Problem> {
    let is_long = |end: Timestamp| end.millis_since(now) > SESSION_SECONDS * 1000 / 2;
    if let Some(expires_at) = caller.expires_at().filter(|end| is_long(*end)) {
        return Ok(expires_at);
    }
    let caller = caller.confirm(api).await?;
    let expires_at = caller.expires_at.unwrap_or(now);
    if is_long(expires_at) {
        return Ok(expires_at);
    }
    let renewed = now.plus_seconds(SESSION_SECONDS);
    let session = caller.session.session();
    let tenant = api.store.tenant(&caller.scope);
    let good = tenant
        .renew_agent_session(&session, renewed)
        .await
        .or_problem()?;
    Ok(if good { renewed } else { expires_at })
}

/// What the agent has to stop of what it says it holds: jobs to cancel, and attempts that are not its own any more.
///
/// The jobs were read as they were a moment ago, and may show a time before the agent's claim: an attempt with a number
/// below the agent's own says nothing.
fn to_stop(agent_id: &AgentId, held: Vec<HeldJob>, jobs: &[Job]) -> (Vec<JobId>, Vec<HeldJob>) {
    let jobs: HashMap<_, _> = jobs.iter().map(|job| (&job.job_id, job)).collect();
    let (mut cancel, mut dropped) = (Vec::new(), Vec::new());
    for held in held {
        let Some(job) = jobs.get(&held.job_id) else {
            dropped.push(held);
            continue;
        };
        let own = job
            .holder()
            .is_some_and(|holder| holder.agent_id == *agent_id);
        if job.attempt > held.attempt || (job.attempt == held.attempt && !own) {
            dropped.push(held);
        } else if job.attempt == held.attempt && job.cancel_requested {
            cancel.push(held.job_id);
        }
    }
    (cancel, dropped)
}
