//! What maintenance reads from its environment at its start.

use store::{FunctionSettings, TableKind};

/// Reads what every function reads, with the tables of what is looked after.
///
/// # Errors
/// Every fault at once.
pub fn settings(lookup: &dyn Fn(&str) -> Option<String>) -> Result<FunctionSettings, Vec<String>> {
    let used = [
        TableKind::Jobs,
        TableKind::Agents,
        TableKind::Deployments,
        TableKind::Credentials,
        TableKind::Audit,
    ];
    FunctionSettings::read(&used, lookup)
}
