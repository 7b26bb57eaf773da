//! HTTP conventions: how the control plane reads requests and words its answers, the same for every function.
//!
//! [`app`] wraps a router in what every request gets: an id, a time limit, an access log line, a caught panic, headers.
//! Handlers read requests with the extractors of this crate and fail with a [`Problem`], which is the only kind of
//! error that leaves the control plane.

mod app;
mod body;
mod clock;
mod context;
mod cursor;
mod entropy;
mod idempotency;
pub mod lambda;
mod listing;
mod operations;
mod path;
mod pointer;
mod problem;
mod query;
mod service;
pub mod view;

pub use app::{TIME_LIMIT, app, app_with};
pub use body::{ApiJson, ApiJsonOrEmpty, BODY_LIMIT, parse_json};
pub use clock::Clock;
pub use context::{
    ClientAddress, RequestId, SentPath, client_address, note_job, note_tenant, request_id,
};
pub use entropy::Entropy;
pub use idempotency::IdempotencyKey;
pub use listing::{Listing, PageParams};
pub use operations::Operations;
pub use path::ApiPath;
pub use problem::{Problem, ProblemCode};
pub use query::ApiQuery;
pub use service::{Health, Info};
