//! Tokens of other people's issuers: the one place where a JSON Web Token is verified, and where a function connects to an
//! address that somebody else has chosen.
//!
//! - [`Verifier`] decides whether a token is good. It reads no clock and no network; nothing else in the workspace calls
//!   `jsonwebtoken` (`clippy.toml` forbids it).
//! - [`KeyFetcher`] brings an issuer's keys and remembers them; [`HttpsClient`] calls a sign-in provider. Both go through a
//!   [`Network`], which knows where one may connect.
//! - A function can only make [`Network::public`], and nothing in its environment changes that. The other networks stand
//!   behind the features `local` and `testing`, which only `local` and dependencies of tests may enable.

mod address;
mod claims;
mod client;
mod exchange;
mod fetcher;
mod json;
mod keys;
mod network;
mod signature;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod url;
mod verify;

pub use address::is_global_unicast;
pub use claims::Claims;
pub use client::{CallError, Form, HttpsClient};
pub use fetcher::{FetchError, KeyFetcher, RETRY_SECONDS, TokenError};
pub use keys::{KeySet, KeySetFault};
pub use network::Network;
#[cfg(any(test, feature = "testing"))]
pub use network::Speaks;
pub use token::{MAX_TOKEN_BYTES, Unverified};
pub use url::{Endpoint, IssuerUrl, UrlFault};
pub use verify::{Expected, JwtError, LEEWAY_SECONDS, Verifier};
