//! What is asked and changes nothing.

use crate::compat::call::Call;
use crate::compat::story::{LISTS, ada};

const PATHS: [&str; 33] = [
    "/api/queue/jobs?limit=1",
    "/api/queue/jobs?status=RUNNING&pool_name=linux&agent_id={{worker_id}}&limit=1",
    "/api/queue/jobs/{{done}}",
    "/api/queue/jobs/{{whole}}",
    "/api/queue/stats",
    "/api/dashboard/jobs?q=shop&limit=1",
    "/api/dashboard/jobs?status=DEAD_LETTERED",
    "/api/dashboard/jobs?status=CANCELLED&limit=1",
    "/api/dashboard/jobs/running?limit=1",
    "/api/dashboard/jobs/{{retried}}",
    "/api/dashboard/jobs/{{dead}}",
    "/api/dashboard/jobs/{{lost}}",
    "/api/dashboard/jobs/{{overdue}}",
    "/api/dashboard/deployments?limit=1",
    "/api/dashboard/deployments/{{rolled_back}}",
    "/api/dashboard/deployments/{{live}}/history",
    "/api/dashboard/deployments/service/shop?status=LIVE",
    "/api/dashboard/services",
    "/api/dashboard/services/shop/deployments?limit=1",
    "/api/dashboard/audit?limit=5&action=token.create",
    "/api/dashboard/audit/export?from_sequence=1&limit=4",
    "/api/agents?limit=2",
    "/api/agents?status=TERMINATED",
    "/api/agents/healthy?pool_name=linux&limit=1",
    "/api/agents/{{degraded_id}}",
    "/api/agents/{{worker_id}}/jobs?limit=1",
    "/api/agents/pools",
    "/api/agents/pools/linux",
    "/api/agents/pools/linux/scaling",
    "/api/agents/keys",
    "/api/agents/enrolment-tokens",
    "/api/agents/signing-keys",
    "/api/agents/trust-rules",
];

const OF_PEOPLE: [&str; 5] = [
    "/auth/members",
    "/auth/organisations",
    "/auth/invitations",
    "/auth/sessions",
    "/auth/tokens",
];

pub(super) fn calls() -> Vec<Call> {
    let plain = PATHS.iter().chain(&OF_PEOPLE).map(|path| ada("GET", path));
    // The next page, by the cursor that the version before gave.
    let next = LISTS.iter().map(|(name, path)| {
        let path = format!("{path}&cursor={{{{{name}}}}}");
        ada("GET", &path)
    });
    let by = |name: &str, path: &str| Call::new("GET", path).by(name);
    let others = [
        by("ci_token", "/api/queue/jobs?limit=1"),
        by("new_token", "/api/queue/jobs?limit=1"),
        by("rotated_token", "/api/queue/jobs?limit=1"),
        by("revoked_token", "/api/queue/jobs?limit=1"),
        by("spare_token", "/api/agents"),
        by("ben", "/api/dashboard/jobs/{{done}}"),
        by("cleo", "/api/queue/jobs"),
        by("cleo", "/api/dashboard/audit?limit=1"),
        by("fritz", "/api/queue/jobs"),
        by("worker", "/api/agents/{{worker_id}}/config"),
        by("gone", "/api/agents/{{gone_id}}/config"),
        by("worker", "/api/queue/jobs/{{running}}"),
        Call::new("GET", "/api/queue/jobs?limit=1")
            .header("cookie", "__Host-hcp_session={{browser}}"),
        Call::new("GET", "/health"),
    ];
    plain.chain(next).chain(others).collect()
}
