//! An agent as an item.

use super::AGENT;
use crate::call::{Item, from_item, key, to_item};
use crate::keys::{deadline_partition, deadline_sort, millis};
use crate::{StoreError, TenantScope};
use domain::Timestamp;
use domain::agent::{Agent, Metrics, Session};
use serde::{Deserialize, Serialize};
use wire::{AgentId, Directive, PoolName, ShortText, Tags};

/// An agent's item.
#[derive(Debug, Serialize, Deserialize)]
struct AgentItem {
    agent_id: AgentId,
    pool: PoolName,
    version: ShortText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hostname: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    os: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arch: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    max_jobs: u32,
    registered_ms: i64,
    heard_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disk: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uptime: Option<u64>,
    directive: Directive,
    #[serde(default)]
    degraded: bool,
    epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    look_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reclaim_ms: Option<i64>,
    revision: u64,
    /// Partition and sort key of the `deadline` index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dpk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsk: Option<String>,
    /// Partition and sort key of the `list` index.
    lpk: String,
    lsk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_seconds: Option<i64>,
}

pub(super) fn write(scope: &TenantScope, agent: &Agent) -> Result<Item, StoreError> {
    let (lost_at, ended_at) = match agent.session {
        Session::Live => (None, None),
        Session::Lost { at } => (Some(at), None),
        Session::Ended { at } => (None, Some(at)),
    };
    let id = agent.agent_id.as_str();
    let expires = agent.kept_until().map(|until| until.as_millis() / 1000);
    let item = AgentItem {
        agent_id: agent.agent_id.clone(),
        pool: agent.pool_name.clone(),
        version: agent.version.clone(),
        hostname: agent.hostname.clone(),
        os: agent.os.clone(),
        arch: agent.arch.clone(),
        tags: agent.tags.clone(),
        max_jobs: agent.max_concurrent_jobs,
        registered_ms: agent.registered_at.as_millis(),
        heard_ms: agent.heard_at.as_millis(),
        cpu: agent.metrics.map(|metrics| metrics.cpu_percent),
        memory: agent.metrics.map(|metrics| metrics.memory_percent),
        disk: agent.metrics.map(|metrics| metrics.disk_percent),
        uptime: agent.metrics.map(|metrics| metrics.uptime_seconds),
        directive: agent.directive,
        degraded: agent.is_degraded(),
        epoch: agent.epoch,
        lost_ms: lost_at.map(Timestamp::as_millis),
        ended_ms: ended_at.map(Timestamp::as_millis),
        look_ms: agent.look_at.map(Timestamp::as_millis),
        reclaim_ms: agent.reclaim_until.map(Timestamp::as_millis),
        revision: agent.revision,
        dpk: agent.look_at.map(|_| deadline_partition(id)),
        dsk: agent
            .look_at
            .map(|at| deadline_sort(at, scope.tenant(), id)),
        lpk: match agent.session {
            Session::Live => scope.live_agents(),
            Session::Lost { .. } => scope.lost_agents(),
            Session::Ended { .. } => scope.gone_agents(),
        },
        lsk: format!("{}#{id}", millis(agent.registered_at)),
        expires_at_seconds: expires,
    };
    let mut attributes = to_item("put_agent", &item)?;
    attributes.extend(key(scope.agent(&agent.agent_id), AGENT));
    Ok(attributes)
}

pub(super) fn read(item: Item) -> Result<Agent, StoreError> {
    let item: AgentItem = from_item("get_agent", item)?;
    let metrics = match (item.cpu, item.memory, item.disk, item.uptime) {
        (Some(cpu_percent), Some(memory_percent), Some(disk_percent), Some(uptime_seconds)) => {
            Some(Metrics {
                cpu_percent,
                memory_percent,
                disk_percent,
                uptime_seconds,
            })
        }
        _ => None,
    };
    let session = match (item.ended_ms, item.lost_ms) {
        (Some(at), _) => Session::Ended {
            at: Timestamp::from_millis(at),
        },
        (None, Some(at)) => Session::Lost {
            at: Timestamp::from_millis(at),
        },
        (None, None) => Session::Live,
    };
    Ok(Agent {
        agent_id: item.agent_id,
        pool_name: item.pool,
        version: item.version,
        hostname: item.hostname,
        os: item.os,
        arch: item.arch,
        tags: item.tags,
        max_concurrent_jobs: item.max_jobs,
        registered_at: Timestamp::from_millis(item.registered_ms),
        heard_at: Timestamp::from_millis(item.heard_ms),
        metrics,
        directive: item.directive,
        epoch: item.epoch,
        session,
        look_at: item.look_ms.map(Timestamp::from_millis),
        reclaim_until: item.reclaim_ms.map(Timestamp::from_millis),
        revision: item.revision,
    })
}
