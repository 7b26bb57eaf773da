//! Who calls, and what they may do.
//!
//! A [`Token`] is text that a caller bears; the store verifies it, and what it yields is the [`Caller`], the only source
//! of a tenant scope. [`Routes`] is the only way to a router: a route cannot be added without its [`Access`], which is
//! enforced before the handler runs and written into the OpenAPI document from the same value.

mod access;
mod api;
mod audit;
mod caller;
pub mod cookie;
mod guard;
mod jobs;
mod key_encryption;
pub mod lambda;
mod limits;
mod openapi;
mod origin;
mod registration;
mod relays;
pub mod role;
mod routes;
mod scope;
mod settings;
mod signed_request;
#[cfg(test)]
mod tests;
mod token;
#[cfg(any(test, feature = "testing"))]
pub mod walk;
mod workload;

pub use access::Access;
pub use api::{Api, OrProblem};
pub use audit::{
    Action, Actor, Audited, Author, Change, Intent, Resource, Subject, audited, harvested,
    unrecorded,
};
pub use caller::{AgentCaller, Caller, KeyCaller, KnownAgent, PersonCaller, Principal};
pub use domain::Environment;
pub use domain::limits::Limits;
pub use jobs::NewId;
pub use key_encryption::KeyEncryption;
pub use limits::{Room, TakenRoom, Usage};
pub use origin::{NotAnOrigin, Origin};
pub use registration::{Identities, Registrant};
pub use relays::{EnrollingRelay, RelayCaller};
pub use routes::Routes;
pub use scope::{Scope, UnknownScope};
pub use settings::Program;
pub use signed_request::check_ed25519;
pub use token::{Token, TokenError};
