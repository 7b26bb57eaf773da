//! The record of who did what: a chain of pages for each tenant, and what is about to be recorded.
//!
//! A page holds up to twenty records, each chained to the one before, and is written once, on the condition that nothing
//! stands at its place: whoever comes second finds the page that is there and goes on behind it. So any number of functions
//! write at once, and the chain neither forks nor loses a record.
//!
//! A change by a person begins with an intent. The page with its record and the end of the intent are one transaction: an
//! intent that is still there has no record yet, and one that is gone has its record. What an agent does to a job writes
//! nothing here; it is harvested from the indexes of the jobs.

mod chain;
mod harvest;
mod intents;
mod item;
mod list;
#[cfg(test)]
mod tests;

pub use harvest::end_of;
pub use intents::IntentKey;
pub(crate) use item::Tail;
pub use list::{AuditExport, AuditFilter, AuditPage, AuditPosition};

/// Who does what happens without a request.
const MAINTENANCE: &str = "system:maintenance";

/// How many records a page has at most.
pub const MAX_PAGE_RECORDS: usize = 20;
