//! The orchestrator on the embedded engine and on queues in this process, with a clock that stands still.

pub(crate) mod faults;

mod aws;
mod hostile;
mod invocations;
mod once;
mod outcomes;
mod rounds;
mod world;
