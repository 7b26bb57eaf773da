//! What people look at: jobs with their history, deployments, the summary, and the API's own document.

mod cancel_job;
mod close_job;
mod create_job;
mod deployments;
mod docs_page;
mod list_jobs;
mod list_open_jobs;
mod retry_job;
mod serve_docs;
mod service;
mod show_job;
mod summary;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests;

use auth::{Access, Api, Routes, Scope};
use utoipa_axum::routes;

/// The routes of the dashboard.
pub fn routes(api: Api) -> Routes {
    let read = Access::people(Scope::JobsRead);
    let write = Access::people(Scope::JobsWrite);
    let routes = Routes::new(api)
        .route(write, routes!(create_job::create_job))
        .route(read, routes!(list_jobs::list_jobs))
        .route(read, routes!(list_open_jobs::list_open_jobs))
        .route(read, routes!(show_job::show_job))
        .route(Access::people(Scope::Admin), routes!(close_job::close_job))
        .route(write, routes!(retry_job::retry_job))
        .route(write, routes!(cancel_job::cancel_job))
        .route(read, routes!(summary::summary))
        .public(routes!(service::health))
        .public(routes!(service::info))
        .public(routes!(serve_docs::openapi))
        .public(routes!(serve_docs::docs));
    deployments::add(routes)
}
