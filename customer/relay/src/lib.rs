//! The relay: receives webhooks in the customer's account, and lets nothing of them out but a handful of metadata fields.
//!
//! `POST /relay/webhooks/{tool}`: the signature is verified over the raw bytes, with a secret of the customer's vault; the
//! body is parsed within limits; a tool file says which of its leaves are which fields of the closed contract
//! ([`wire::relay`]); the event is signed with the relay's key and put on the customer's own queue. Body, headers and
//! secrets stay here: none is kept, logged or sent.
//!
//! It comes in two forms with one router: a small HTTP server (`hybrid-relay`) and a Lambda function (`relay`).

pub mod cli;
mod clock;
mod enrol;
mod heartbeat;
mod identity;
mod journal;
mod json;
pub mod lambda;
mod metadata;
mod outbox;
mod path_classes;
mod plane;
mod refusal;
mod relay;
mod secrets;
mod seen;
mod settings;
mod start;
mod tool;
mod vault;
mod verify;
mod webhook;

pub use clock::Clock;
pub use enrol::{EnrolError, enrol, rotate_key};
pub use heartbeat::{beat, keep_beating};
pub use identity::Identity;
pub use journal::{Entry, Ignored, Journal, Line, Repeated};
pub use path_classes::PathClasses;
pub use plane::{CallError, Plane, Stamp};
pub use refusal::Reason;
pub use relay::{Parts, Relay};
pub use settings::{MAX_BODY_BYTES, Settings, VARIABLES};
pub use start::{new_instance, start};
pub use tool::{Field, ToolFault, ToolFaults, Tools};
pub use vault::{HashicorpLogin, HashicorpSettings, Vault, VaultError, VaultSettings};
pub use webhook::router;
