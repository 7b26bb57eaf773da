//! An agent joins its pool.

use crate::view::change_of;
use auth::{Action, Api, OrProblem, Registrant, Resource, Room, Subject, Token};
use axum::Json;
use axum::extract::State;
use domain::agent::{Agent, Introduction};
use domain::timing::{HEARTBEAT_INTERVAL_SECONDS, LEASE_SECONDS, SESSION_SECONDS};
use http::StatusCode;
use store::Registration;
use web::{ApiJson, Problem};
use wire::{AgentId, RegisterRequest, RegisterResponse};

/// Register an agent.
///
/// Every registration gives a new agent with a session of its own. The pool is created on first use. The session token is
/// shown this once; heartbeats renew it.
///
/// Besides an agent key, `Authorization: Bearer` takes an enrolment token, and a token of the workload's own issuer under the
/// organisation's trust rules; without `Authorization`, the request may be signed. Each of these is good once: if the
/// answer to a registration is lost, the next one needs another token, or another nonce and signature.
#[utoipa::path(
    post,
    path = "/api/agents/register",
    tag = "agents",
    request_body = RegisterRequest,
    responses((status = 201, description = "The agent and its session token.", body = RegisterResponse))
)]
pub(crate) async fn register_agent(
    State(api): State<Api>,
    registrant: Registrant,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> Result<(StatusCode, Json<RegisterResponse>), Problem> {
    let key = registrant.key_for(&request.pool_name)?;
    let now = api.now();
    let tenant = api.store.tenant(&key.scope);
    // Given back if nobody is registered: of two replays at once, each has taken some.
    let room = api.take_room(&key.scope, Room::Agent).await?;
    let agent_id = AgentId::new(now, api.entropy.bytes());
    let introduction = Introduction {
        pool_name: request.pool_name,
        version: request.version,
        hostname: request.hostname,
        os: request.os,
        arch: request.arch,
        tags: request.tags,
        max_concurrent_jobs: request.max_concurrent_jobs,
    };
    let agent = Agent::register(agent_id, introduction, now);
    let token = Token::issue_session(api.environment, &key.key_id, &api.entropy);
    let expires_at = now.plus_seconds(SESSION_SECONDS);
    let session = token.presented.session();
    let subject = (Action::AgentRegister, Resource::agent(&agent.agent_id));
    let subject = Subject::from(subject).with(change_of(None, &agent, now));
    let registration = Registration {
        agent: &agent,
        session: &session,
        session_expires_at: expires_at,
        proof: &registrant.proof,
        draft: &api.audit_draft(&key, subject),
    };
    let registered = tenant
        .register_agent(&registration, &api.write_id())
        .await
        .or_problem()?;
    if !registered {
        return Err(Problem::unauthenticated());
    }
    room.take_up();
    // After what proves the key. If this is as far as it gets, the agent's first claim creates the pool.
    tenant
        .ensure_pool(&key.pool, now, &api.write_id())
        .await
        .or_problem()?;
    let response = RegisterResponse {
        status: agent.status(now),
        agent_id: agent.agent_id,
        pool_name: agent.pool_name,
        session_token: token.expose().to_owned(),
        session_expires_at: expires_at,
        heartbeat_interval_seconds: seconds(HEARTBEAT_INTERVAL_SECONDS),
        lease_seconds: seconds(LEASE_SECONDS),
    };
    Ok((StatusCode::CREATED, Json(response)))
}

/// A duration on the wire.
pub(crate) fn seconds(seconds: i64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
