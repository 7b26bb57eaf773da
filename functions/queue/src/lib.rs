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

use auth::{Access, Api, Routes, Scope};
use utoipa_axum::routes;
use warm::Warm;

/// The routes of the queue.
pub fn routes(api: Api) -> Routes {
    let read = Access::people(Scope::JobsRead);
    let write = Access::people(Scope::JobsWrite);
    let agent = Access::agent(Scope::QueueClaim);
    Routes::new(api)
        .route(write, routes!(enqueue_job::enqueue_job))
        .route(write, routes!(enqueue_batch::enqueue_batch))
        .route(read, routes!(list_jobs::list_jobs))
        .route(read.or_agent(Scope::QueueClaim), routes!(get_job::get_job))
        .route(agent, routes!(claim_job::claim_job))
        .route_for_known_agents(agent, routes!(start_job::start_job))
        .route_for_known_agents(agent, routes!(complete_job::complete_job))
        .route(write, routes!(cancel_job::cancel_job))
        .route(write, routes!(reprioritise_job::reprioritise_job))
        .route(write, routes!(retry_job::retry_job))
        .route(read, routes!(read_statistics::read_statistics))
        .route(
            Access::people(Scope::Admin),
            routes!(requeue_expired::requeue_expired),
        )
        .share(Warm::default())
}
