//! Errors as RFC 9457 problem details.

use crate::check::Fault;
use serde::{Deserialize, Serialize};

/// The body of every error answer, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemDetails {
    /// A URI reference for the kind of problem, stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The id of the request, also in the control plane's log.
    pub instance: String,
    /// The kind of problem for programs, stable.
    pub code: String,
    /// For invalid input: each thing that is wrong, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}
