//! Who calls, and what they may do.
//!
//! A [`Token`] is text that a caller bears; the store verifies it, and what it yields is the [`Caller`], the only source
//! of a tenant scope. [`Routes`] is the only way to a router: a route cannot be added without its [`Access`], which is
//! enforced before the handler runs and written into the OpenAPI document from the same value.

mod access;
mod api;
mod caller;
mod guard;
mod jobs;
pub mod lambda;
mod openapi;
mod routes;
mod scope;
mod settings;
#[cfg(test)]
mod tests;
mod token;
#[cfg(any(test, feature = "testing"))]
pub mod walk;

pub use access::Access;
pub use api::{Api, OrProblem};
pub use caller::{AgentCaller, Caller, KeyCaller, KnownAgent, Principal};
pub use domain::Environment;
pub use jobs::NewId;
pub use routes::Routes;
pub use scope::{Scope, UnknownScope};
pub use settings::Program;
pub use token::{Token, TokenError};
