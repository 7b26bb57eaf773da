//! The relay as a whole: real router, real vault files, a queue in this process.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod binary;
mod contract;
mod enrolment;
mod fixtures;
mod flow;
mod hostile;
mod lambda;
mod settings;
mod vendors;
mod world;
