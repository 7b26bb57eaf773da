//! What a deployed function says of itself.

use serde::Serialize;
use utoipa::ToSchema;

/// The answer to `GET /health`. It checks nothing remote: it says that this process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// Always `healthy`.
    pub status: &'static str,
    /// The version of the control plane.
    pub version: &'static str,
}

impl Health {
    /// Healthy, at this version.
    pub const fn new(version: &'static str) -> Self {
        Self {
            status: "healthy",
            version,
        }
    }
}

/// The answer to `GET /info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Info {
    /// The name of the product.
    pub name: &'static str,
    /// The version of the control plane.
    pub version: &'static str,
    /// `live` or `test`: which credentials it takes.
    pub environment: &'static str,
}
