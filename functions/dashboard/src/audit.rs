//! The record of who did what.

mod export_records;
mod list_records;

use auth::{Access, Routes, Scope};
use utoipa_axum::routes;

/// Adds the routes of the record.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::AuditRead);
    routes
        .route(read, routes!(list_records::list_audit))
        .route(read, routes!(export_records::export_audit))
}
