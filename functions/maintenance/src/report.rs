//! What the passes came to.

use serde::Serialize;

/// What sweeps came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// How many passes there were.
    pub passes: usize,
    /// Jobs that went back in line.
    pub requeued: usize,
    /// Jobs that ended: timed out or lost too often, or to be cancelled.
    pub ended: usize,
    /// Agents that were declared lost.
    pub lost_agents: usize,
    /// What failed and is left to the next pass.
    pub errors: usize,
}

impl SweepReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.passes += other.passes;
        self.requeued += other.requeued;
        self.ended += other.ended;
        self.lost_agents += other.lost_agents;
        self.errors += other.errors;
    }
}

/// What roll-ups came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RollUpReport {
    /// How many passes there were.
    pub passes: usize,
    /// Tenants whose statistics were taken.
    pub tenants: usize,
    /// Pools of theirs.
    pub pools: usize,
    /// Jobs whose back-off had passed and that were moved to their place in line.
    pub promoted: usize,
    /// Records of who did what that were written.
    pub recorded: usize,
    /// What failed and is left to the next pass.
    pub errors: usize,
}

impl RollUpReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.passes += other.passes;
        self.tenants += other.tenants;
        self.pools += other.pools;
        self.promoted += other.promoted;
        self.recorded += other.recorded;
        self.errors += other.errors;
    }
}

/// What one invocation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its sweeps.
    pub sweeps: SweepReport,
    /// Its roll-ups.
    pub roll_ups: RollUpReport,
}

impl Summary {
    /// Writes the summary to the log, in one line.
    pub(crate) fn log(&self) {
        let Self { sweeps, roll_ups } = self;
        tracing::info!(
            sweeps = sweeps.passes,
            requeued = sweeps.requeued,
            ended = sweeps.ended,
            lost_agents = sweeps.lost_agents,
            roll_ups = roll_ups.passes,
            tenants = roll_ups.tenants,
            pools = roll_ups.pools,
            promoted = roll_ups.promoted,
            recorded = roll_ups.recorded,
            errors = sweeps.errors + roll_ups.errors,
            "maintenance done"
        );
    }
}
