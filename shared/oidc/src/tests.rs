//! Hostile tokens, hostile issuers, hostile servers.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod certificate;
mod client;
mod fetching;
mod good_tokens;
mod hostile_issuers;
mod hostile_servers;
mod hostile_tokens;
mod key_sets;
pub(crate) mod script;
mod world;
