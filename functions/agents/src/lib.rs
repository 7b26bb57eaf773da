//! Agents: registered, heard of, asked to drain, deregistered; and the pools they belong to.

mod deregister_agent;
mod get_agent;
mod get_agent_config;
mod list_agent_jobs;
mod list_agents;
mod pools;
mod register_agent;
mod send_heartbeat;
mod set_agent_status;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
mod view;

use auth::{Access, Api, Routes, Scope};
use utoipa_axum::routes;

/// The routes of agents and pools.
pub fn routes(api: Api) -> Routes {
    let read = Access::people(Scope::AgentsRead);
    let write = Access::people(Scope::AgentsWrite);
    let own = Scope::AgentsHeartbeat;
    let routes = Routes::new(api)
        .route_for_known_agents(
            Access::agent_key(Scope::AgentsRegister),
            routes!(register_agent::register_agent),
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
            routes!(send_heartbeat::send_heartbeat),
        )
        .route(write, routes!(set_agent_status::set_agent_status))
        .route(
            write.or_own_agent(own),
            routes!(deregister_agent::deregister_agent),
        );
    pools::add(routes, read, write)
}
