//! An agent leaves, and its jobs go back at once.

use crate::view::{self, AgentView};
use auth::{Action, Api, Caller, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use domain::agent::Event;
use serde::Serialize;
use utoipa::ToSchema;
use web::{ApiPath, Problem};
use wire::AgentId;

/// An agent that left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeregisterResponse {
    /// The agent.
    agent: AgentView,
    /// How many jobs went back to the queue.
    returned_jobs: usize,
}

/// Deregister an agent.
///
/// What it holds goes back to the queue as a loss, to its old place in line. It does not come back: its heartbeats are
/// refused.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/deregister",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "It is gone.", body = DeregisterResponse))
)]
pub(crate) async fn deregister_agent(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<AgentId>,
) -> Result<Json<DeregisterResponse>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let change = async {
        let seen = tenant.agent(&id).await.or_problem()?;
        let outcome = tenant
            .change_agent("deregister", &id, &Event::Deregister, now, &api.write_id())
            .await
            .or_problem()?;
        view::audited(outcome, seen.as_ref(), now)
    };
    let subject = (Action::AgentDeregister, Resource::agent(&id));
    let agent = api.audited(&caller, subject, change).await?;
    // If this ends halfway, the sweep goes on: it looks for what a gone agent held for five minutes.
    let returned = tenant
        .give_back_jobs(&id, agent.epoch, now, || api.entropy.bytes())
        .await
        .or_problem()?;
    Ok(Json(DeregisterResponse {
        agent: view::agent(&agent, now),
        returned_jobs: returned.len(),
    }))
}
