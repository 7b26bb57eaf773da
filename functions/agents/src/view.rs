//! An agent as callers see it, and the one map from what became of a change to what its caller is told.

use auth::{Audited, Change};
use domain::agent::Agent;
use serde::Serialize;
use store::AgentOutcome;
use utoipa::ToSchema;
use web::{Problem, ProblemCode};
use wire::{AgentId, AgentStatus, Directive, PoolName, ShortText, Tags, Timestamp};

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agent)]
pub(crate) struct AgentView {
    /// Its id.
    agent_id: AgentId,
    /// Its pool.
    pool_name: PoolName,
    /// What it is fit for now.
    status: AgentStatus,
    /// What it is asked to do.
    directive: Directive,
    /// Its version.
    version: ShortText,
    /// The name of its machine.
    hostname: Option<ShortText>,
    /// Its operating system.
    os: Option<ShortText>,
    /// Its processor architecture.
    arch: Option<ShortText>,
    /// The user's own labels.
    #[schema(inline)]
    tags: Tags,
    /// How many jobs it runs at a time.
    max_concurrent_jobs: u32,
    /// When it registered.
    registered_at: Timestamp,
    /// When it was last heard of.
    last_heartbeat_at: Timestamp,
    /// Processor in use, as it last said.
    cpu_percent: Option<f64>,
    /// Memory in use, as it last said.
    memory_percent: Option<f64>,
    /// Disk in use, as it last said.
    disk_percent: Option<f64>,
    /// How long it has run, as it last said.
    uptime_seconds: Option<u64>,
}

/// An answer with one agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentResponse {
    /// The agent.
    pub(crate) agent: AgentView,
}

/// A page of agents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentList {
    /// The agents: those that have a session first, then those that are gone; newest first.
    pub(crate) agents: Vec<AgentView>,
    /// The cursor of the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
}

/// The agent as it is now.
pub(crate) fn agent(agent: &Agent, now: Timestamp) -> AgentView {
    let metrics = agent.metrics;
    AgentView {
        agent_id: agent.agent_id.clone(),
        pool_name: agent.pool_name.clone(),
        status: agent.status(now),
        directive: agent.directive,
        version: agent.version.clone(),
        hostname: agent.hostname.clone(),
        os: agent.os.clone(),
        arch: agent.arch.clone(),
        tags: agent.tags.clone(),
        max_concurrent_jobs: agent.max_concurrent_jobs,
        registered_at: agent.registered_at,
        last_heartbeat_at: agent.heard_at,
        cpu_percent: metrics.map(|metrics| metrics.cpu_percent),
        memory_percent: metrics.map(|metrics| metrics.memory_percent),
        disk_percent: metrics.map(|metrics| metrics.disk_percent),
        uptime_seconds: metrics.map(|metrics| metrics.uptime_seconds),
    }
}

/// What is recorded of a change. What was seen first is what was there before, unless somebody else wrote in between: a
/// heartbeat does so every few seconds.
pub(crate) fn change_of(seen: Option<&Agent>, after: &Agent, now: Timestamp) -> Change {
    let change = Change::new()
        .after(&agent(after, now))
        .with("directive", after.directive)
        .with("pool", &after.pool_name);
    match seen.filter(|seen| seen.revision + 1 == after.revision) {
        Some(before) => change.before(&agent(before, now)),
        None => change,
    }
}

/// An event that was not refused, with what is recorded of it.
pub(crate) fn audited(
    outcome: AgentOutcome,
    seen: Option<&Agent>,
    now: Timestamp,
) -> Result<Audited<Box<Agent>>, Problem> {
    let is_change = matches!(outcome, AgentOutcome::Changed(_));
    let agent = changed(outcome)?;
    Ok(if is_change {
        let change = change_of(seen, &agent, now);
        Audited::Changed(agent, change)
    } else {
        Audited::Unchanged(agent)
    })
}

/// The agent after a change, or why there was none.
pub(crate) fn changed(outcome: AgentOutcome) -> Result<Box<Agent>, Problem> {
    match outcome {
        AgentOutcome::Changed(agent) | AgentOutcome::AlreadyDone(agent) => Ok(agent),
        AgentOutcome::Refused(why) => Err(Problem::conflict(
            ProblemCode::AgentTerminated,
            why.to_string(),
        )),
        AgentOutcome::Missing => Err(Problem::not_found("agent")),
        AgentOutcome::Contended => Err(Problem::conflict(
            ProblemCode::Contended,
            "others changed the agent at the same time; nothing was changed, try again",
        )),
    }
}
