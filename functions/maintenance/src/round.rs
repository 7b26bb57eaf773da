//! One way through the register of all tenants. If a pass is broken off, the next one goes on where it stopped, so that the
//! last tenants have their turn however many there are.

use crate::figures::Figures;
use store::{DEADLINE_SHARDS, TenantScope};
use wire::Timestamp;

/// How many passes in a row may get no further than one tenant. The next one leaves it out.
const MAX_TRIES: u32 = 2;

/// A round that nobody went on with for this long is begun anew, in seconds: Lambda had frozen the process, others have done
/// its work meanwhile, and what it had counted is of the past.
const FORGOTTEN_SECONDS: i64 = 300;

/// A round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    shard: u32,
    after: Option<TenantScope>,
    /// How many passes have begun at this very place.
    tries: u32,
    resumed_at: Option<Timestamp>,
    /// Whether a part of the register could not be read.
    has_gap: bool,
    figures: Figures,
}

impl Round {
    /// A pass begins.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        let forgotten = |at: Timestamp| now.millis_since(at) > FORGOTTEN_SECONDS * 1000;
        if self.resumed_at.is_some_and(forgotten) {
            *self = Self::default();
        }
        self.resumed_at = Some(now);
        self.tries += 1;
    }

    /// The shard of the register to read on in; none at the end.
    pub(crate) fn shard(&self) -> Option<u32> {
        (self.shard < DEADLINE_SHARDS).then_some(self.shard)
    }

    /// The tenant to read on after.
    pub(crate) fn after(&self) -> Option<&TenantScope> {
        self.after.as_ref()
    }

    /// Whether the next tenant is to be left out, because passes were broken off at it.
    pub(crate) fn is_stuck(&self) -> bool {
        self.tries > MAX_TRIES
    }

    /// A tenant was looked after, or is left out.
    pub(crate) fn pass_by(&mut self, tenant: TenantScope, figures: Figures) {
        self.figures.add(figures);
        self.after = Some(tenant);
        self.tries = 0;
    }

    /// All tenants of the shard have had their turn.
    pub(crate) fn next_shard(&mut self) {
        self.shard += 1;
        self.after = None;
        self.tries = 0;
    }

    /// The rest of the shard cannot be read.
    pub(crate) fn leave_shard(&mut self) {
        self.has_gap = true;
        self.next_shard();
    }

    /// The round is over. What it counted; nothing, if that is not all that there is.
    pub(crate) fn finish(&mut self) -> Option<Figures> {
        let round = std::mem::take(self);
        (!round.has_gap).then_some(round.figures)
    }
}
