//! What the control plane says of itself.

use auth::Api;
use axum::Json;
use axum::extract::State;
use web::{Health, Info};

/// The name of the product.
const PRODUCT: &str = "hybrid-ci";

/// Whether this process answers. Checks nothing remote.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, description = "It answers.", body = Health)))]
pub(crate) async fn health(State(api): State<Api>) -> Json<Health> {
    Json(Health::new(api.version))
}

/// Name, version and environment.
#[utoipa::path(get, path = "/info", tag = "service", responses((status = 200, description = "What this is.", body = Info)))]
pub(crate) async fn info(State(api): State<Api>) -> Json<Info> {
    Json(Info {
        name: PRODUCT,
        version: api.version,
        environment: api.environment.as_str(),
    })
}
