//! The whole control plane in one process, for development and tests: the functions' own routers on one port, on an
//! embedded DynamoDB, with the maintenance function on a timer and an agent.
//!
//! Invariant: no function depends on this crate, so nothing here can be deployed.

mod credentials;
mod options;
mod plane;
mod repository;
mod server;
mod session;
mod watch;

pub use credentials::{AGENT_KEY_FILE, API_TOKEN_FILE};
pub use options::Options;
pub use plane::{Plane, PlaneError, document, router};
pub use session::run;
