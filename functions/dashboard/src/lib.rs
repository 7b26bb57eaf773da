//! What people look at: jobs with their history, deployments, the summary, the record of who did what, and the API's own
//! document.

mod audit;
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

use auth::{Access, Action, Api, Program, Routes, Scope, audited, harvested};
use store::TableKind;
use utoipa_axum::routes;

/// What it reads from its environment.
pub const PROGRAM: Program = Program {
    name: "dashboard",
    version: env!("CARGO_PKG_VERSION"),
    tables: &[
        TableKind::Jobs,
        TableKind::Agents,
        TableKind::Deployments,
        TableKind::Audit,
    ],
};

/// The routes of the dashboard.
pub fn routes(api: Api) -> Routes {
    let read = Access::people(Scope::JobsRead);
    let write = Access::people(Scope::JobsWrite);
    let routes = Routes::new(api)
        .route(write, harvested(routes!(create_job::create_job)))
        .route(read, routes!(list_jobs::list_jobs))
        .route(read, routes!(list_open_jobs::list_open_jobs))
        .route(read, routes!(show_job::show_job))
        .route(
            Access::people(Scope::Admin),
            audited(&[Action::JobClose], routes!(close_job::close_job)),
        )
        .route(
            write,
            audited(&[Action::JobRetry], routes!(retry_job::retry_job)),
        )
        .route(
            write,
            audited(&[Action::JobCancel], routes!(cancel_job::cancel_job)),
        )
        .route(read, routes!(summary::summary))
        .public(routes!(service::health))
        .public(routes!(service::info))
        .public(routes!(serve_docs::openapi))
        .public(routes!(serve_docs::docs));
    audit::add(deployments::add(routes))
}
