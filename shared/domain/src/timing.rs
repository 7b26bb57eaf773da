//! How long things last: one place for the times that agents and the control plane agree on.

/// How long after its last heartbeat an agent counts as lost, in seconds.
pub const LEASE_SECONDS: i64 = 30;

/// How often an agent sends a heartbeat, in seconds: two may be lost before the lease is.
pub const HEARTBEAT_INTERVAL_SECONDS: i64 = 10;

/// A heartbeat moves the lease's entry in the deadline index only if that is less than this away, in seconds. At the
/// usual interval every other heartbeat does, and the entry never comes due while heartbeats come.
pub const LEASE_REARM_SECONDS: i64 = 12;

/// How long a claimed job may wait for its start, in seconds. Then it goes back to the queue.
pub const START_WITHIN_SECONDS: i64 = 30;

/// How often the jobs of an agent that is gone are looked for, in seconds.
pub const SWEEP_AGAIN_SECONDS: i64 = 10;

/// For how long the jobs of an agent that is gone are looked for, in seconds: entries of an index may arrive late, and
/// whoever gave its jobs back may have died halfway.
pub const RECLAIM_SECONDS: i64 = 300;

/// For how long an agent that was lost or deregistered is kept, in seconds: a day.
pub const GONE_KEPT_SECONDS: i64 = 24 * 3600;

/// How long an agent's session token is good, in seconds, unless a heartbeat renews it.
pub const SESSION_SECONDS: i64 = 3600;

/// How long a pool keeps its size before it shrinks, in seconds.
pub const SCALE_IN_COOL_DOWN_SECONDS: i64 = 300;
