//! The whole control plane in one process, for development and tests: the functions' own routers on one port, on an
//! embedded DynamoDB, with maintenance and the orchestrator on timers, an agent, a relay, and a fake identity provider for people
//! to sign in with.
//!
//! Invariant: no function depends on this crate, so nothing here can be deployed.

mod credentials;
mod metrics;
mod moto;
mod options;
mod owner;
mod plane;
mod provider;
mod repository;
mod server;
mod session;
mod watch;
mod webhooks;

pub use credentials::{AGENT_KEY_FILE, API_TOKEN_FILE, INVITATION_FILE};
pub use options::{Options, Sqs};
pub use plane::{Plane, PlaneError, document, router, router_with};
pub use provider::{CLIENT_ID, OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, Provider};
pub use session::run;
pub use webhooks::{RELAY_IDENTITY_FILE, WEBHOOK_SECRET_FILE};
