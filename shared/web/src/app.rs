//! What every request gets, whichever function serves it: an id, a time limit, a log line, headers, and a problem where a
//! route or a method does not exist or a handler panics.

use crate::context::{
    CONTEXT, ClientAddress, HEADER, RequestContext, RequestId, TRACEPARENT, trace_of,
};
use crate::{Operations, Problem, ProblemCode};
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tracing::{Instrument, field};

/// How long a request may take. API Gateway gives up after 30 s and tells the caller nothing of use.
pub const TIME_LIMIT: Duration = Duration::from_secs(25);

/// On Lambda: whether a request is the first of its process, as an extension of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsColdStart(pub(crate) bool);

/// The router with everything around it. Merge all routers first, then wrap them once. Its requests are counted by nobody.
pub fn app(router: Router) -> Router {
    app_with(router, Operations::default())
}

/// The same, with its requests counted.
pub fn app_with(router: Router, operations: Operations) -> Router {
    with_time_limit(router, operations, TIME_LIMIT)
}

fn with_time_limit(router: Router, operations: Operations, limit: Duration) -> Router {
    router
        .fallback(unknown_route)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn(move |request, next| {
            serve(request, next, operations.clone(), limit)
        }))
}

async fn unknown_route() -> Problem {
    Problem::new(ProblemCode::UnknownRoute, "the API has no such path")
}

/// A method that a path does not take. `OPTIONS` asks which it takes; `Allow`, which axum adds, answers it.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Problem::new(
            ProblemCode::MethodNotAllowed,
            "the path does not take this method; `Allow` lists those that it takes",
        )
        .into_response()
    }
}

async fn serve(request: Request, next: Next, operations: Operations, limit: Duration) -> Response {
    // On Lambda the platform's own id is there already; elsewhere the caller may bring one.
    let id = match request.extensions().get::<RequestId>() {
        Some(id) => id.clone(),
        None => RequestId::from_headers(request.headers()),
    };
    let trace = trace_of(request.headers());
    let cold_start = request.extensions().get::<IsColdStart>();
    // At the highest level, so that no filter takes the ids from the lines inside.
    let span = tracing::error_span!(
        "request",
        request_id = id.as_str(),
        trace_id = %trace.trace_id(),
        span_id = %trace.span_id(),
        otel.parent = trace.parent(),
        otel.unsampled = (!trace.is_sampled()).then_some(true),
        cold_start = cold_start.map(|IsColdStart(is_first)| *is_first),
        tenant_id = field::Empty,
        job_id = field::Empty
    );
    let context = RequestContext {
        id: id.clone(),
        address: request.extensions().get::<ClientAddress>().copied(),
        span: span.clone(),
    };
    let served = CONTEXT.scope(context, limited(request, next, &operations, limit));
    let mut response = served.instrument(span).await;
    let headers = response.headers_mut();
    if let Some(id) = id.header_value() {
        headers.insert(HEADER, id);
    }
    if let Ok(trace) = HeaderValue::try_from(trace.traceparent()) {
        headers.insert(TRACEPARENT, trace);
    }
    secure(headers);
    response
}

/// What every answer tells browsers, whatever it is: to keep to TLS for two years, to guess no content types, and to give no
/// page of ours a device. Unless it says otherwise, also to keep nothing, to load nothing, and to tell nobody where they come
/// from.
fn secure(headers: &mut HeaderMap) {
    const ALWAYS: [(HeaderName, &str); 3] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            STRICT_TRANSPORT_SECURITY,
            "max-age=63072000; includeSubDomains",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    const UNLESS_SAID: [(HeaderName, &str); 3] = [
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in UNLESS_SAID {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

async fn limited(
    request: Request,
    next: Next,
    operations: &Operations,
    limit: Duration,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let operation = operations.of(&method, route);
    // A handler that panics leaves nothing behind that another request could meet: all state is in the store.
    let served = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = match tokio::time::timeout(limit, served).await {
        Ok(Ok(response)) => response,
        // The panic's message may quote a request, so it is dropped; where it happened is logged by the hook.
        Ok(Err(_panic)) => Problem::internal().into_response(),
        Err(_) => Problem::new(ProblemCode::TimedOut, "the request took too long").into_response(),
    };
    let took = started.elapsed();
    operations.count(operation, response.status(), took);
    // The pattern of the path and not the path; no query, no header, no body: those may hold what is not ours to keep.
    tracing::info!(
        operation = operations.name(operation),
        method = method_name(&method),
        route,
        status = response.status().as_u16(),
        code = response
            .extensions()
            .get::<ProblemCode>()
            .map(|code| code.as_str()),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "served"
    );
    response
}

/// The name of a method. One that nobody knows may be anything that its caller likes.
fn method_name(method: &Method) -> &str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if KNOWN.contains(method) {
        method.as_str()
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use axum::body::Body;
    use axum::routing::{get, post};
    use http::header::{ALLOW, RETRY_AFTER};
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use wire::ProblemDetails;

    fn routes() -> Router {
        Router::new()
            .route("/hello", get(async || "hello"))
            .route("/panic", get(panicking))
            .route("/never", get(std::future::pending::<()>))
            .route("/post", post(async || "posted"))
            .route("/address", get(address))
    }

    async fn address() -> String {
        format!("{:?}", crate::client_address())
    }

    async fn panicking() {
        panic!("the canary sings");
    }

    async fn call(request: http::request::Builder) -> Response {
        let app = with_time_limit(routes(), Operations::default(), Duration::from_millis(20));
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    async fn problem(response: Response) -> ProblemDetails {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn every_answer_bears_an_id_and_safe_headers() {
        let response = call(Request::get("/hello")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[HEADER].len(), 32);
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
        for (name, says) in [
            ("strict-transport-security", "max-age="),
            ("permissions-policy", "camera=()"),
            ("content-security-policy", "default-src 'none'"),
        ] {
            let value = response.headers()[name].to_str().unwrap();
            assert!(value.starts_with(says), "{name}: {value}");
        }
        let response = call(Request::get("/hello").header(HEADER, "mine-1")).await;
        assert_eq!(response.headers()[HEADER], "mine-1");
        let response = call(
            Request::get("/hello")
                .extension(RequestId::parse("lambda").unwrap())
                .header(HEADER, "mine-1"),
        )
        .await;
        assert_eq!(response.headers()[HEADER], "lambda");
    }

    #[tokio::test]
    async fn every_answer_carries_the_trace_on() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let request = Request::get("/panic").header(TRACEPARENT, parent);
        let answered = call(request).await.headers()[TRACEPARENT].clone();
        let answered = answered.to_str().unwrap();
        assert!(answered.starts_with(&parent[..36]) && answered.ends_with("-00"));
        assert_ne!(answered, parent);
        let begun = call(Request::get("/hello").header(TRACEPARENT, "junk")).await;
        let begun = begun.headers()[TRACEPARENT].to_str().unwrap();
        assert!(begun.len() == 55 && begun[..36] != parent[..36], "{begun}");
    }

    #[test]
    fn a_method_that_nobody_knows_is_not_logged() {
        assert_eq!(method_name(&Method::PATCH), "PATCH");
        let secret = Method::from_bytes(b"CANARY").unwrap();
        assert_eq!(method_name(&secret), "other");
    }

    #[tokio::test]
    async fn the_address_is_that_of_the_connection_whatever_headers_say() {
        let text = async |request: http::request::Builder| {
            let request = request
                .header("x-forwarded-for", "203.0.113.9")
                .header("forwarded", "for=203.0.113.9");
            let bytes = call(request).await.into_body().collect().await;
            String::from_utf8(bytes.unwrap().to_bytes().to_vec()).unwrap()
        };
        assert_eq!(text(Request::get("/address")).await, "None");
        for (address, expected) in [
            ("192.0.2.7", "Some(192.0.2.7)"),
            ("::ffff:192.0.2.7", "Some(192.0.2.7)"),
            ("2001:db8::1", "Some(2001:db8::1)"),
        ] {
            let address = ClientAddress::new(address.parse().unwrap());
            let request = Request::get("/address").extension(address);
            assert_eq!(text(request).await, expected);
        }
        assert_eq!(crate::client_address(), None);
    }

    #[tokio::test]
    async fn a_problem_names_the_request_wherever_it_arises() {
        for (path, status, code) in [
            ("/nowhere", 404, "unknown_route"),
            ("/post", 405, "method_not_allowed"),
            ("/panic", 500, "internal"),
            ("/never", 503, "timed_out"),
        ] {
            let response = call(Request::get(path).header(HEADER, "mine-2")).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 503);
            let problem = problem(response).await;
            assert_eq!(
                (problem.code.as_str(), problem.instance.as_str()),
                (code, "mine-2")
            );
            assert!(!problem.detail.contains("canary"));
        }
    }

    #[tokio::test]
    async fn head_is_get_without_a_body_and_options_lists_the_methods() {
        let head = call(Request::head("/hello")).await;
        assert_eq!(head.status(), 200);
        assert!(
            head.into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
        let options = call(Request::options("/post")).await;
        assert_eq!(
            (options.status(), options.headers()[ALLOW].as_bytes()),
            (StatusCode::NO_CONTENT, &b"POST"[..])
        );
        let wrong = call(Request::delete("/post")).await;
        assert_eq!(wrong.headers()[ALLOW], "POST");
        assert_eq!(call(Request::options("/nowhere")).await.status(), 404);
    }
}
