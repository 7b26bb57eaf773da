//! The orchestrator on the embedded engine and on queues in this process, with a clock that stands still.

pub(crate) mod faults;

mod aws;
mod crashes;
mod dead_letters;
mod hostile;
mod invocations;
mod numbers;
mod once;
mod outcomes;
mod put_off;
mod rounds;
pub(crate) mod world;
