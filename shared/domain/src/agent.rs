//! An agent, its session, and the lease that covers everything it holds.

use crate::timing::{
    GONE_KEPT_SECONDS, LEASE_REARM_SECONDS, LEASE_SECONDS, RECLAIM_SECONDS, SWEEP_AGAIN_SECONDS,
};
use wire::{AgentId, AgentStatus, Directive, PoolName, ShortText, Tags, Timestamp};

/// How busy an agent's machine is, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Processor.
    pub cpu_percent: f64,
    /// Memory.
    pub memory_percent: f64,
    /// Disk.
    pub disk_percent: f64,
    /// How long the agent has run, in seconds.
    pub uptime_seconds: u64,
}

/// Whether an agent's session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It does. Moved here by registration, and by a heartbeat after a loss.
    Live,
    /// The agent was silent for a lease. Moved here by the sweep. Next: a heartbeat revives it under a new epoch.
    Lost {
        /// When that was found.
        at: Timestamp,
    },
    /// The agent deregistered. The end.
    Ended {
        /// When.
        at: Timestamp,
    },
}

/// An agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id, which also names its session.
    pub agent_id: AgentId,
    /// Its pool.
    pub pool_name: PoolName,
    /// Its version.
    pub version: ShortText,
    /// The name of its machine.
    pub hostname: Option<ShortText>,
    /// Its operating system.
    pub os: Option<ShortText>,
    /// Its processor architecture.
    pub arch: Option<ShortText>,
    /// The user's own labels.
    pub tags: Tags,
    /// How many jobs it runs at a time.
    pub max_concurrent_jobs: u32,
    /// When it registered.
    pub registered_at: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    /// How busy it said it was.
    pub metrics: Option<Metrics>,
    /// What it is asked to do.
    pub directive: Directive,
    /// Rises when its lease is lost or it deregisters: jobs held under an older epoch are lost jobs.
    pub epoch: u32,
    /// Whether its session holds.
    pub session: Session,
    /// When the sweep has to look at it.
    pub look_at: Option<Timestamp>,
    /// Until when jobs that it held under older epochs are looked for.
    pub reclaim_until: Option<Timestamp>,
    /// Rises with every write.
    pub revision: u64,
}

/// What happens to an agent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// It says that it is alive.
    Heartbeat(Metrics),
    /// The control plane looks at it because its entry is due.
    Sweep,
    /// Somebody asks something of it.
    SetDirective(Directive),
    /// It leaves.
    Deregister,
}

/// What an event does to an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    /// This has to be written.
    Apply(Box<Change>),
    /// It had happened before, or there is nothing to do.
    AlreadyDone,
}

/// A change of an agent that the rules allow.
///
/// Invariant: made by [`transition`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    before: Agent,
    after: Agent,
}

impl Change {
    /// The agent as it was seen.
    pub fn before(&self) -> &Agent {
        &self.before
    }

    /// The agent as it will be.
    pub fn after(&self) -> &Agent {
        &self.after
    }
}

/// Why an event does nothing to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// It deregistered, and does not come back.
    #[error("the agent is deregistered")]
    Terminated,
}

/// What an agent says of itself when it registers.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Its pool.
    pub pool_name: PoolName,
    /// Its version.
    pub version: ShortText,
    /// The name of its machine.
    pub hostname: Option<ShortText>,
    /// Its operating system.
    pub os: Option<ShortText>,
    /// Its processor architecture.
    pub arch: Option<ShortText>,
    /// The user's own labels.
    pub tags: Tags,
    /// How many jobs it runs at a time.
    pub max_concurrent_jobs: u32,
}

impl Agent {
    /// An agent that has just registered.
    pub fn register(agent_id: AgentId, introduction: Introduction, now: Timestamp) -> Self {
        Self {
            agent_id,
            pool_name: introduction.pool_name,
            version: introduction.version,
            hostname: introduction.hostname,
            os: introduction.os,
            arch: introduction.arch,
            tags: introduction.tags,
            max_concurrent_jobs: introduction.max_concurrent_jobs,
            registered_at: now,
            heard_at: now,
            metrics: None,
            directive: Directive::Run,
            epoch: 1,
            session: Session::Live,
            look_at: Some(now.plus_seconds(LEASE_SECONDS)),
            reclaim_until: None,
            revision: 0,
        }
    }

    /// When its lease ends unless it is heard of.
    pub fn lease_ends_at(&self) -> Timestamp {
        self.heard_at.plus_seconds(LEASE_SECONDS)
    }

    /// Whether it is short of processor, memory or disk.
    pub fn is_degraded(&self) -> bool {
        self.metrics.is_some_and(|metrics| {
            metrics.cpu_percent > 90.0
                || metrics.memory_percent > 90.0
                || metrics.disk_percent > 95.0
        })
    }

    /// What it is fit for.
    pub fn status(&self, now: Timestamp) -> AgentStatus {
        if matches!(self.session, Session::Ended { .. }) {
            return AgentStatus::Terminated;
        }
        if now >= self.lease_ends_at() {
            return AgentStatus::Offline;
        }
        match self.directive {
            Directive::Drain => AgentStatus::Draining,
            Directive::Pause => AgentStatus::Paused,
            Directive::Run if self.is_degraded() => AgentStatus::Degraded,
            Directive::Run => AgentStatus::Healthy,
        }
    }

    /// Whether it may be given work. A session that was lost takes none until a heartbeat has revived it.
    pub fn accepts_work(&self, now: Timestamp) -> bool {
        self.session == Session::Live
            && match self.status(now) {
                AgentStatus::Healthy | AgentStatus::Degraded => true,
                AgentStatus::Draining
                | AgentStatus::Paused
                | AgentStatus::Offline
                | AgentStatus::Terminated => false,
            }
    }

    /// Until when it is kept if it deregistered or was lost: for a day.
    pub fn kept_until(&self) -> Option<Timestamp> {
        match self.session {
            Session::Live => None,
            Session::Lost { at } | Session::Ended { at } => {
                Some(at.plus_seconds(GONE_KEPT_SECONDS))
            }
        }
    }
}

/// How many agents there are, by what they are fit for. Those that deregistered are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgentCounts {
    /// Take work.
    pub healthy: u64,
    /// Take work, and are short of something.
    pub degraded: u64,
    /// Finish what they have.
    pub draining: u64,
    /// Wait to be set `HEALTHY`.
    pub paused: u64,
    /// Are lost, and kept for a day.
    pub offline: u64,
}

impl AgentCounts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.healthy + self.degraded + self.draining + self.paused + self.offline
    }
}

impl Extend<AgentStatus> for AgentCounts {
    fn extend<T: IntoIterator<Item = AgentStatus>>(&mut self, statuses: T) {
        for status in statuses {
            match status {
                AgentStatus::Healthy => self.healthy += 1,
                AgentStatus::Degraded => self.degraded += 1,
                AgentStatus::Draining => self.draining += 1,
                AgentStatus::Paused => self.paused += 1,
                AgentStatus::Offline => self.offline += 1,
                AgentStatus::Terminated => {}
            }
        }
    }
}

impl FromIterator<AgentStatus> for AgentCounts {
    fn from_iter<T: IntoIterator<Item = AgentStatus>>(statuses: T) -> Self {
        let mut counts = Self::default();
        counts.extend(statuses);
        counts
    }
}

/// What `event` at `now` does to `agent`.
///
/// # Errors
/// [`TransitionError`], and then nothing changes.
pub fn transition(
    agent: &Agent,
    event: &Event,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    let ended = matches!(agent.session, Session::Ended { .. });
    match event {
        Event::Heartbeat(_) | Event::SetDirective(_) if ended => Err(TransitionError::Terminated),
        Event::Heartbeat(metrics) => Ok(apply(agent, |after| heartbeat(after, *metrics, now))),
        Event::SetDirective(directive) if agent.directive == *directive => {
            Ok(Transition::AlreadyDone)
        }
        Event::SetDirective(directive) => Ok(apply(agent, |after| after.directive = *directive)),
        Event::Deregister if ended => Ok(Transition::AlreadyDone),
        Event::Deregister => Ok(apply(agent, |after| {
            leave(after, Session::Ended { at: now }, now);
        })),
        Event::Sweep => Ok(sweep(agent, now)),
    }
}

fn apply(before: &Agent, change: impl FnOnce(&mut Agent)) -> Transition {
    let mut after = before.clone();
    change(&mut after);
    after.revision += 1;
    Transition::Apply(Box::new(Change {
        before: before.clone(),
        after,
    }))
}

fn heartbeat(agent: &mut Agent, metrics: Metrics, now: Timestamp) {
    // A clock that went back on another server must not shorten the lease.
    agent.heard_at = agent.heard_at.max(now);
    agent.metrics = Some(metrics);
    agent.session = Session::Live;
    let near = now.plus_seconds(LEASE_REARM_SECONDS);
    // While the jobs of an older epoch are looked for, looks come soon enough by themselves.
    let near_due = agent.look_at.is_none_or(|look_at| look_at < near);
    if near_due && agent.reclaim_until.is_none() {
        agent.look_at = Some(agent.lease_ends_at());
    }
}

/// The epoch rises, and what was held under the one before is looked for from now on.
fn leave(agent: &mut Agent, session: Session, now: Timestamp) {
    agent.session = session;
    agent.epoch += 1;
    agent.reclaim_until = Some(now.plus_seconds(RECLAIM_SECONDS));
    agent.look_at = Some(now.plus_seconds(SWEEP_AGAIN_SECONDS));
}

fn sweep(agent: &Agent, now: Timestamp) -> Transition {
    if agent.look_at.is_none_or(|look_at| now < look_at) {
        return Transition::AlreadyDone;
    }
    let silent = agent.session == Session::Live && now >= agent.lease_ends_at();
    apply(agent, |after| {
        if silent {
            leave(after, Session::Lost { at: now }, now);
        } else if let Some(until) = after
            .reclaim_until
            .filter(|until| looked_for(agent, *until))
        {
            // If looks were missed, the time to look for its jobs begins anew. A look that is a little late was not missed.
            if now >= until.plus_seconds(SWEEP_AGAIN_SECONDS) {
                after.reclaim_until = Some(now.plus_seconds(RECLAIM_SECONDS));
            }
            let again = now.plus_seconds(SWEEP_AGAIN_SECONDS);
            after.look_at = Some(match after.session {
                Session::Live => again.min(after.lease_ends_at()),
                Session::Lost { .. } | Session::Ended { .. } => again,
            });
        } else {
            after.reclaim_until = None;
            after.look_at = match after.session {
                Session::Live => Some(after.lease_ends_at()),
                Session::Lost { .. } | Session::Ended { .. } => None,
            };
        }
    })
}

/// Whether the look that is due was meant for the time in which the agent's jobs are looked for. What counts is when it was
/// meant to be, not when it is: nobody may have looked for a long time.
fn looked_for(agent: &Agent, until: Timestamp) -> bool {
    agent.look_at.is_some_and(|look_at| look_at < until)
}
