//! Shows one agent.

use crate::view::{self, AgentResponse};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use web::{ApiPath, Problem};
use wire::AgentId;

/// Show an agent.
#[utoipa::path(
    get,
    path = "/api/agents/{id}",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent.", body = AgentResponse))
)]
pub(crate) async fn get_agent(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<AgentId>,
) -> Result<Json<AgentResponse>, Problem> {
    let agent = api
        .store
        .tenant(&caller.scope)
        .agent(&id)
        .await
        .or_problem()?;
    let agent = agent.ok_or_else(|| Problem::not_found("agent"))?;
    Ok(Json(AgentResponse {
        agent: view::agent(&agent, api.now()),
    }))
}
