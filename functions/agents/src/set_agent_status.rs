//! Asks an agent to drain, to pause, or to take work again.

use crate::view::{self, AgentResponse};
use auth::{Action, Api, Caller, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use domain::agent::Event;
use serde::Deserialize;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{AgentId, AgentStatus, Check, Directive, Fault};

/// What an agent is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetAgentStatusRequest {
    /// `DRAINING`: finish and end. `PAUSED`: finish and wait. `HEALTHY`: take work.
    status: AgentStatus,
}

impl SetAgentStatusRequest {
    fn directive(&self) -> Option<Directive> {
        match self.status {
            AgentStatus::Draining => Some(Directive::Drain),
            AgentStatus::Paused => Some(Directive::Pause),
            AgentStatus::Healthy => Some(Directive::Run),
            AgentStatus::Degraded | AgentStatus::Offline | AgentStatus::Terminated => None,
        }
    }
}

impl Check for SetAgentStatusRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.directive().is_none() {
            faults.push(Fault {
                pointer: "/status".to_owned(),
                detail: "only DRAINING, PAUSED and HEALTHY can be asked for".to_owned(),
            });
        }
    }
}

/// Ask an agent to drain, to pause, or to take work again.
///
/// It is given no work from now on; it hears of it with its next heartbeat.
#[utoipa::path(
    patch,
    path = "/api/agents/{id}/status",
    tag = "agents",
    params(("id" = AgentId, Path, description = "The agent.")),
    request_body = SetAgentStatusRequest,
    responses((status = 200, description = "The agent.", body = AgentResponse))
)]
pub(crate) async fn set_agent_status(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(id): ApiPath<AgentId>,
    ApiJson(request): ApiJson<SetAgentStatusRequest>,
) -> Result<Json<AgentResponse>, Problem> {
    let now = api.now();
    let directive = request.directive().unwrap_or(Directive::Run);
    let change = async {
        let tenant = api.store.tenant(&caller.scope);
        let seen = tenant.agent(&id).await.or_problem()?;
        let (event, write_id) = (Event::SetDirective(directive), api.write_id());
        let outcome = tenant
            .change_agent("set_agent_status", &id, &event, now, &write_id)
            .await
            .or_problem()?;
        view::audited(outcome, seen.as_ref(), now)
    };
    let subject = (Action::AgentStatus, Resource::agent(&id));
    let agent = api.audited(&caller, subject, change).await?;
    Ok(Json(AgentResponse {
        agent: view::agent(&agent, now),
    }))
}
