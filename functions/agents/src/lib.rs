//! Agents: registered, heard of, asked to drain, deregistered; and the pools they belong to.

mod credentials;
mod deregister_agent;
mod enrolment_tokens;
mod get_agent;
mod get_agent_config;
mod keys;
mod list_agent_jobs;
mod list_agents;
mod pools;
mod register_agent;
mod send_heartbeat;
mod set_agent_status;
mod signing_keys;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
mod trust_rules;
mod view;

use auth::{Access, Action, Api, Identities, Program, Routes, Scope, audited, unrecorded};
use store::TableKind;
use utoipa_axum::routes;

/// What it reads from its environment.
pub const PROGRAM: Program = Program {
    name: "agents",
    version: env!("CARGO_PKG_VERSION"),
    tables: &[TableKind::Jobs, TableKind::Agents, TableKind::Audit],
};

/// The routes of agents, of what they register with, and of pools.
pub fn routes(api: Api, identities: Identities) -> Routes {
    let read = Access::people(Scope::AgentsRead);
    let write = Access::people(Scope::AgentsWrite);
    let own = Scope::AgentsHeartbeat;
    let routes = Routes::new(api)
        .route_for_registration(
            Access::agent_key(Scope::AgentsRegister),
            identities.clone(),
            audited(
                &[Action::AgentRegister],
                routes!(register_agent::register_agent),
            ),
        )
        .route(read, routes!(list_agents::list_agents))
        .route(read, routes!(list_agents::list_healthy_agents))
        .route(read.or_own_agent(own), routes!(get_agent::get_agent))
        .route(
            read.or_own_agent(own),
            routes!(list_agent_jobs::list_agent_jobs),
        )
        .route(
            read.or_own_agent(own),
            routes!(get_agent_config::get_agent_config),
        )
        .route_for_known_agents(
            Access::own_agent(own),
            unrecorded(
                "says that an agent is alive",
                routes!(send_heartbeat::send_heartbeat),
            ),
        )
        .route(
            write,
            audited(
                &[Action::AgentStatus],
                routes!(set_agent_status::set_agent_status),
            ),
        )
        .route(
            write.or_own_agent(own),
            audited(
                &[Action::AgentDeregister],
                routes!(deregister_agent::deregister_agent),
            ),
        );
    let routes = pools::add(routes, read, write);
    credentials::add(routes).share(identities)
}
