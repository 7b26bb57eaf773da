//! The API's document, as JSON and as a page.

use crate::docs_page;
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The document of the whole API, as the routers of all functions generate it. A test keeps it so.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// For how long a browser may keep either.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

static PAGE: LazyLock<String> = LazyLock::new(|| docs_page::render(DOCUMENT));

/// Nothing but the page's own style: no script, no image, no other host, no frame.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64.encode(&Sha256::digest(docs_page::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

/// The OpenAPI document of the API.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "service",
    responses((status = 200, description = "The document.", content_type = "application/json", body = serde_json::Value))
)]
pub(crate) async fn openapi() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, CACHED),
    ];
    (headers, DOCUMENT).into_response()
}

/// The OpenAPI document, to be read.
#[utoipa::path(
    get,
    path = "/api/docs",
    tag = "service",
    responses((status = 200, description = "A page of HTML.", content_type = "text/html", body = String))
)]
pub(crate) async fn docs() -> Response {
    let mut response = (([(CACHE_CONTROL, CACHED)]), Html(PAGE.as_str())).into_response();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
