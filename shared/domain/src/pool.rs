//! A pool of agents, and how many it should have.

use crate::timing::SCALE_IN_COOL_DOWN_SECONDS;
use std::fmt;
use wire::{PoolName, ShortText, Timestamp};

/// The most ready partitions that a pool may have.
pub const MAX_READY_SHARDS: u32 = 8;

/// The most agents that a pool may ask for.
pub const MAX_AGENTS: u32 = 1_000;

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub pool_name: PoolName,
    /// Where it runs.
    pub region: Option<ShortText>,
    /// Where in the region.
    pub zone: Option<ShortText>,
    /// How many agents it has at least.
    pub min_agents: u32,
    /// How many at most.
    pub max_agents: u32,
    /// How many it should have now.
    pub desired_agents: u32,
    /// Whether its agents are given work.
    pub enabled: bool,
    /// Whether it is being emptied: its agents finish what they have.
    pub draining: bool,
    /// How many partitions its line is spread over. It may only be raised: jobs keep to the partition they are in.
    pub ready_shards: u32,
    /// When it was first used.
    pub created_at: Timestamp,
    /// When `desired_agents` last changed.
    pub scaled_at: Timestamp,
    /// Rises with every write.
    pub revision: u64,
}

impl Pool {
    /// A pool as its first use makes it: nothing at least, ten agents at most.
    pub fn new(pool_name: PoolName, now: Timestamp) -> Self {
        Self {
            pool_name,
            region: None,
            zone: None,
            min_agents: 0,
            max_agents: 10,
            desired_agents: 0,
            enabled: true,
            draining: false,
            ready_shards: 1,
            created_at: now,
            scaled_at: now,
            revision: 0,
        }
    }

    /// Whether its agents are given work.
    pub fn gives_work(&self) -> bool {
        self.enabled && !self.draining
    }
}

/// What a pool has to do, and with what.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that are claimed or run.
    pub running: u64,
    /// How many jobs its agents run at a time, together.
    pub capacity: u64,
    /// How many agents take work.
    pub agents: u64,
    /// How long the job that waits longest has waited, in seconds.
    pub oldest_wait_seconds: f64,
}

/// Why a pool should have as many agents as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is disabled or draining.
    NotInUse,
    /// More jobs wait than there is room for.
    JobsWait,
    /// There are more agents than there is work, and have been for the cool-down.
    Idle,
    /// There is less work, but the last change is less than the cool-down ago.
    CoolingDown,
    /// It has what it needs.
    Steady,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInUse => "NOT_IN_USE",
            Self::JobsWait => "JOBS_WAIT",
            Self::Idle => "IDLE",
            Self::CoolingDown => "COOLING_DOWN",
            Self::Steady => "STEADY",
        })
    }
}

/// The auto-scaling signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that are claimed or run.
    pub running: u64,
    /// How many jobs the agents run at a time, together.
    pub capacity: u64,
    /// How many more they could run.
    pub idle: u64,
    /// How long the job that waits longest has waited, in seconds.
    pub oldest_wait_seconds: f64,
    /// How many agents there should be.
    pub desired_agents: u32,
    /// Why.
    pub reason: Reason,
}

/// How many agents the pool should have for its load: enough for what runs and waits, within its bounds, and fewer than
/// before only after the cool-down.
pub fn scaling(pool: &Pool, load: &Load, now: Timestamp) -> Scaling {
    let jobs_per_agent = load.capacity.checked_div(load.agents).unwrap_or(1).max(1);
    let needed = (load.queued + load.running).div_ceil(jobs_per_agent);
    let (low, high) = (pool.min_agents, pool.max_agents.max(pool.min_agents));
    let wanted = u32::try_from(needed).unwrap_or(u32::MAX).clamp(low, high);
    let cool = now.millis_since(pool.scaled_at) >= SCALE_IN_COOL_DOWN_SECONDS * 1000;
    let present = pool.desired_agents.clamp(low, high);
    let (desired_agents, reason) = if !pool.gives_work() {
        (pool.min_agents, Reason::NotInUse)
    } else if wanted > present {
        (wanted, Reason::JobsWait)
    } else if wanted == present {
        (present, Reason::Steady)
    } else if cool {
        (wanted, Reason::Idle)
    } else {
        (present, Reason::CoolingDown)
    };
    Scaling {
        queued: load.queued,
        running: load.running,
        capacity: load.capacity,
        idle: load.capacity.saturating_sub(load.running),
        oldest_wait_seconds: load.oldest_wait_seconds,
        desired_agents,
        reason,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn pool(min_agents: u32, max_agents: u32, desired_agents: u32) -> Pool {
        Pool {
            min_agents,
            max_agents,
            desired_agents,
            ..Pool::new("linux".parse().unwrap(), NOW)
        }
    }

    proptest! {
        #[test]
        fn the_signal_stays_between_the_bounds(
            (low, more, present) in (0..20_u32, 0..20_u32, 0..60_u32),
            (queued, running, agents) in (0..1000_u64, 0..1000_u64, 0..20_u64),
            (per_agent, seconds) in (1..8_u64, 0..1000_i64),
        ) {
            let pool = pool(low, low + more, present);
            let capacity = agents * per_agent;
            let load = Load { queued, running, capacity, agents, oldest_wait_seconds: 0.0 };
            let scaling = scaling(&pool, &load, NOW.plus_seconds(seconds));
            prop_assert!((low..=low + more).contains(&scaling.desired_agents));
            if seconds < SCALE_IN_COOL_DOWN_SECONDS {
                prop_assert!(scaling.desired_agents >= present.min(low + more), "scaled in too early");
            }
        }
    }

    #[test]
    fn a_pool_grows_at_once_and_shrinks_after_the_cool_down() {
        let load = Load {
            queued: 8,
            agents: 2,
            capacity: 4,
            ..Load::default()
        };
        let grown = scaling(&pool(1, 10, 2), &load, NOW);
        assert_eq!((grown.desired_agents, grown.reason), (4, Reason::JobsWait));
        let idle = Load {
            agents: 4,
            capacity: 8,
            ..Load::default()
        };
        let kept = scaling(&pool(1, 10, 4), &idle, NOW.plus_seconds(299));
        assert_eq!((kept.desired_agents, kept.reason), (4, Reason::CoolingDown));
        let shrunk = scaling(&pool(1, 10, 4), &idle, NOW.plus_seconds(300));
        assert_eq!((shrunk.desired_agents, shrunk.reason), (1, Reason::Idle));
    }
}
