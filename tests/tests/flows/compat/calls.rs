//! The requests that are recorded: what people, tools, agents and browsers ask of a control plane on which the story was
//! told. Each is made on what those before it have left.

mod changes;
mod of_agents;
mod of_people;
mod reads;

use super::call::{Call, MAINTAIN};
use super::world::World;

/// All of them.
pub(super) fn all(world: &World) -> Vec<Call> {
    let calls = [
        reads::calls(),
        of_agents::calls(world),
        changes::calls(),
        of_people::calls(),
        afterwards(),
    ];
    calls.into_iter().flatten().collect()
}

/// Maintenance takes over what was left and what was made since, and the record of who did what goes on.
fn afterwards() -> Vec<Call> {
    let by_ada = |path: &str| Call::new("GET", path).by("ada");
    vec![
        Call::new(MAINTAIN, "").after(20),
        Call::new(MAINTAIN, "").after(300),
        by_ada("/api/queue/stats"),
        by_ada("/api/queue/stats?pool_name=linux"),
        by_ada("/api/dashboard/summary"),
        by_ada("/api/agents/pools/linux/scaling"),
        by_ada("/api/dashboard/audit/export?from_sequence={{audit_head}}&limit=4"),
        by_ada("/api/queue/jobs?status=COMPLETED&limit=1"),
        by_ada("/api/queue/jobs?status=QUEUED&limit=1"),
        by_ada("/api/agents?status=OFFLINE&limit=1"),
    ]
}
