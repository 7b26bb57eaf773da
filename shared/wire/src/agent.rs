//! What an agent says of itself, and what it is told.

use crate::check::{Check, Fault, check_percent, check_range, check_tags};
use crate::text::{AgentId, JobId, PoolName, ShortText, Tags};
use crate::{AgentStatus, Directive, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

/// An agent joins its pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterRequest {
    /// The pool; it must be the one that the key is bound to, and is created on first use.
    pub pool_name: PoolName,
    /// The agent's version.
    pub version: ShortText,
    /// The name of its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<ShortText>,
    /// Its operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<ShortText>,
    /// Its processor architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<ShortText>,
    /// The user's own labels.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub tags: Tags,
    /// How many jobs it runs at a time, 1 to 100. Default 1.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 100, default = 1))]
    pub max_concurrent_jobs: u32,
}

const fn one() -> u32 {
    1
}

impl Check for RegisterRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(
            faults,
            "/max_concurrent_jobs",
            self.max_concurrent_jobs,
            (1, 100),
        );
        check_tags(faults, "/tags", &self.tags);
    }
}

/// What an agent needs to work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisterResponse {
    /// The agent's id for as long as this session lasts.
    pub agent_id: AgentId,
    /// Its pool.
    pub pool_name: PoolName,
    /// What it is fit for.
    pub status: AgentStatus,
    /// The credential for every further call. Shown this once.
    pub session_token: String,
    /// Until when it is good unless a heartbeat renews it.
    pub session_expires_at: Timestamp,
    /// How often to send a heartbeat.
    pub heartbeat_interval_seconds: u32,
    /// How long after its last heartbeat an agent's jobs are given to others.
    pub lease_seconds: u32,
}

/// One attempt of one job that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldJob {
    /// The job.
    pub job_id: JobId,
    /// The attempt.
    pub attempt: u32,
}

/// An agent says that it is alive, and how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatRequest {
    /// Processor in use, 0 to 100.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 100))]
    pub cpu_percent: f64,
    /// Memory in use, 0 to 100.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 100))]
    pub memory_percent: f64,
    /// Disk in use where jobs are checked out, 0 to 100.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 100))]
    pub disk_percent: f64,
    /// How long the agent has run.
    pub uptime_seconds: u64,
    /// Every attempt that it holds, at most 100.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub jobs: Vec<HeldJob>,
}

impl Check for HeartbeatRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_percent(faults, "/cpu_percent", self.cpu_percent);
        check_percent(faults, "/memory_percent", self.memory_percent);
        check_percent(faults, "/disk_percent", self.disk_percent);
        if self.jobs.len() > 100 {
            faults.push(Fault {
                pointer: "/jobs".to_owned(),
                detail: format!("at most 100 jobs, not {}", self.jobs.len()),
            });
        }
    }
}

/// What an agent is told when it says that it is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatResponse {
    /// The agent's id.
    pub agent_id: AgentId,
    /// What it is fit for.
    pub status: AgentStatus,
    /// When to send the next heartbeat.
    pub next_heartbeat_seconds: u32,
    /// Jobs that somebody wants cancelled: stop them and report `CANCELLED`.
    pub cancel: Vec<JobId>,
    /// Attempts that are no longer the agent's: stop them and report nothing.
    #[serde(rename = "drop", deserialize_with = "told_attempts")]
    pub dropped: Vec<HeldJob>,
    /// What the agent is to do.
    pub directive: Directive,
    /// Until when the session token is good.
    pub session_expires_at: Timestamp,
}

/// Attempts in an answer. A control plane that is newer than its agent may say more of them than the agent knows.
fn told_attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeldJob>, D::Error> {
    #[derive(Deserialize)]
    struct Told {
        job_id: JobId,
        attempt: u32,
    }
    let told = Vec::<Told>::deserialize(deserializer)?;
    let held = told.into_iter();
    Ok(held
        .map(|Told { job_id, attempt }| HeldJob { job_id, attempt })
        .collect())
}

/// What an agent needs at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentConfig {
    /// The agent's id.
    pub agent_id: AgentId,
    /// Its pool.
    pub pool_name: PoolName,
    /// How often to send a heartbeat.
    pub heartbeat_interval_seconds: u32,
    /// How long after its last heartbeat an agent's jobs are given to others.
    pub lease_seconds: u32,
    /// How long a claimed job may wait for its start.
    pub start_within_seconds: u32,
    /// How many jobs the agent said it runs at a time.
    pub max_concurrent_jobs: u32,
    /// Names of the environments that jobs of this pool may deploy to.
    pub deployment_targets: Vec<String>,
}
