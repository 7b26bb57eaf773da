//! `GET /metrics`, for Prometheus. On AWS metrics go to CloudWatch; there is no such route.

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use telemetry::prometheus::{self, Exposed};
use web::Clock;

/// Where Prometheus looks.
pub(crate) const PATH: &str = "/metrics";

/// The route. Who can reach the port may read it: it names pools and no tenants.
pub(crate) fn router(exposed: Exposed, clock: Clock) -> Router {
    let metrics = move || {
        let text = exposed.text(clock.now().as_millis());
        async move { ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], text) }
    };
    Router::new().route(PATH, get(metrics))
}
