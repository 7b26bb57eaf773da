//! The queue: jobs put in line, claimed, started, completed, cancelled and retried.

mod cancel_job;
mod claim_job;
mod complete_job;
mod enqueue_batch;
mod enqueue_job;
mod get_job;
mod list_jobs;
mod read_statistics;
mod reprioritise_job;
mod requeue_expired;
mod retry_job;
mod start_job;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;
mod warm;

use auth::{Access, Action, Api, Program, Routes, Scope, audited, harvested, unrecorded};
use store::TableKind;
use utoipa_axum::routes;
use warm::Warm;

/// Why a step between the enqueueing of a job and its end has no record: the record of the end names the attempt and its agent.
const ON_THE_WAY: &str = "the record of the job's end names the attempt and its agent";

/// What it reads from its environment.
pub const PROGRAM: Program = Program {
    name: "queue",
    version: env!("CARGO_PKG_VERSION"),
    tables: &[TableKind::Jobs, TableKind::Agents, TableKind::Audit],
};

/// The routes of the queue.
pub fn routes(api: Api) -> Routes {
    let read = Access::people(Scope::JobsRead);
    let write = Access::people(Scope::JobsWrite);
    let agent = Access::agent(Scope::QueueClaim);
    Routes::new(api)
        .route(write, harvested(routes!(enqueue_job::enqueue_job)))
        .route(write, harvested(routes!(enqueue_batch::enqueue_batch)))
        .route(read, routes!(list_jobs::list_jobs))
        .route(read.or_agent(Scope::QueueClaim), routes!(get_job::get_job))
        .route(agent, unrecorded(ON_THE_WAY, routes!(claim_job::claim_job)))
        .route_for_known_agents(agent, unrecorded(ON_THE_WAY, routes!(start_job::start_job)))
        .route_for_known_agents(agent, harvested(routes!(complete_job::complete_job)))
        .route(
            write,
            audited(&[Action::JobCancel], routes!(cancel_job::cancel_job)),
        )
        .route(
            write,
            audited(
                &[Action::JobReprioritise],
                routes!(reprioritise_job::reprioritise_job),
            ),
        )
        .route(
            write,
            audited(&[Action::JobRetry], routes!(retry_job::retry_job)),
        )
        .route(read, routes!(read_statistics::read_statistics))
        .route(
            Access::people(Scope::Admin),
            audited(
                &[Action::QueueSweep],
                routes!(requeue_expired::requeue_expired),
            ),
        )
        .share(Warm::default())
}
