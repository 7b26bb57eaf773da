//! The rules of the product: jobs, agents, pools, deployments. Pure: no I/O, and the clock is an argument.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod agent;
pub mod deployment;
mod environment;
pub mod job;
pub mod limits;
pub mod pool;
pub mod relay;
pub mod routing;
pub mod statistics;
pub mod timing;
pub mod trust;

pub use environment::Environment;
pub use wire::Timestamp;
