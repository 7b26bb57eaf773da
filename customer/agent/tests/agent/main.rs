//! The agent against a control plane that the tests write themselves, and real git repositories.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod binary;
mod jobs;
mod leases;
mod plane;
mod repo;
mod results;
mod world;
