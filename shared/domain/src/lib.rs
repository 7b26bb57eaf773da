//! The rules of the product: jobs, agents, pools, deployments. Pure: no I/O, and the clock is an argument.

pub mod job;
pub mod statistics;

pub use wire::Timestamp;
