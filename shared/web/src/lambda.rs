//! A router on Lambda, behind API Gateway's HTTP API.

use crate::app::IsColdStart;
use crate::{ClientAddress, Operations, RequestId, SentPath, app_with};
use axum::Router;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use lambda_http::request::RequestContext;
use lambda_http::{Error, Request, RequestExt};
use std::convert::Infallible;
use std::sync::Arc;
use telemetry::ColdStart;
use tower::{Service, ServiceExt};

/// Serves the router, one request after the other, until Lambda ends the process. Lambda freezes and ends a process only
/// between two requests, so there is nothing to finish when it does. `after_each` is done when an answer is ready and
/// not yet sent: it has to be quick.
///
/// # Errors
/// The runtime API cannot be spoken to.
pub async fn serve<After>(
    router: Router,
    operations: Operations,
    after_each: impl Fn() -> After + Clone + Send + 'static,
) -> Result<(), Error>
where
    After: Future<Output = ()> + Send,
{
    lambda_http::run(service(router, operations, after_each)).await
}

fn service<After>(
    router: Router,
    operations: Operations,
    after_each: impl Fn() -> After + Clone + Send + 'static,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
where
    After: Future<Output = ()> + Send,
{
    let cold_start = Arc::new(ColdStart::default());
    app_with(router, operations)
        .map_request(move |mut request: Request| {
            let is_first = IsColdStart(cold_start.is_first());
            request.extensions_mut().insert(is_first);
            prepare(request)
        })
        .map_response(|mut response: Response| {
            join_values(response.headers_mut());
            response
        })
        .then(move |answered: Result<Response, Infallible>| {
            let after = after_each();
            async move {
                after.await;
                answered
            }
        })
}

/// Gives the request the id that Lambda knows it by and the address that API Gateway was called from, and takes the stage
/// off its path: the routes are the same on every stage.
fn prepare(mut request: Request) -> Request {
    let id = request
        .lambda_context_ref()
        .and_then(|context| RequestId::parse(&context.request_id));
    if let Some(id) = id {
        request.extensions_mut().insert(id);
    }
    let (stage, address) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            (context.stage.clone(), context.http.source_ip.clone())
        }
        Some(_) | None => (None, None),
    };
    if let Some(address) = address.and_then(|text| text.parse().ok()) {
        let address = ClientAddress::new(address);
        request.extensions_mut().insert(address);
    }
    if let Some(stripped) = stage.and_then(|stage| without_stage(request.uri(), &stage)) {
        let sent = SentPath(request.raw_http_path().to_owned());
        request.extensions_mut().insert(sent);
        *request.uri_mut() = stripped;
    }
    request
}

/// Makes one value of a header's several, since an answer to API Gateway has room for one. Cookies have a list of their own.
fn join_values(headers: &mut HeaderMap) {
    if headers.len() == headers.keys_len() {
        return;
    }
    let names: Vec<_> = headers.keys().cloned().collect();
    for name in names.into_iter().filter(|name| name != SET_COOKIE) {
        let values: Vec<_> = headers.get_all(&name).iter().collect();
        if let [_, _, ..] = values[..] {
            let bytes: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
            // What was a header's value, with a comma between, is one again.
            if let Ok(joined) = HeaderValue::from_bytes(&bytes.join(&b", "[..])) {
                headers.insert(name, joined);
            }
        }
    }
}

/// The URI without the stage in front of its path, if it is there. The stage `$default` never is.
fn without_stage(uri: &Uri, stage: &str) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole.strip_prefix('/')?.strip_prefix(stage)?;
    let rest = match rest.bytes().next() {
        Some(b'/') => rest.to_owned(),
        Some(b'?') | None => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use axum::routing::get;
    use lambda_http::Context;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn request(stage: &str, path: &str) -> Request {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "limit=5",
            "headers": {"host": "api.example.com", "x-request-id": "forged", "x-forwarded-for": "203.0.113.9"},
            "requestContext": {
                "stage": stage, "accountId": "1", "apiId": "a", "requestId": "gateway", "timeEpoch": 1,
                "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"}
            },
            "isBase64Encoded": false
        });
        let event: lambda_http::request::LambdaRequest = serde_json::from_value(event).unwrap();
        let mut context = Context::default();
        context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
        prepare(Request::from(event).with_lambda_context(context))
    }

    #[test]
    fn routes_are_the_same_on_every_stage() {
        for (stage, path) in [
            ("$default", "/api/queue/jobs"),
            ("staging", "/staging/api/queue/jobs"),
        ] {
            let request = request(stage, path);
            assert_eq!(request.uri().path(), "/api/queue/jobs");
            assert_eq!(request.uri().query(), Some("limit=5"));
        }
        let uri: Uri = "https://x/stagingapi?a=b".parse().unwrap();
        assert_eq!(without_stage(&uri, "staging"), None);
        let uri: Uri = "https://x/staging?a=b".parse().unwrap();
        assert_eq!(without_stage(&uri, "staging").unwrap(), "https://x/?a=b");
    }

    #[tokio::test]
    async fn what_follows_an_answer_is_called_once_for_each() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let router = Router::new().route("/health", get(async || "well"));
        let mut served = service(router, Operations::default(), move || {
            let counted = Arc::clone(&counted);
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        for (before, (path, status)) in [("/health", 200), ("/nowhere", 404)].iter().enumerate() {
            assert_eq!(count.load(Ordering::Relaxed), before);
            let response = served.call(request("$default", path)).await.unwrap();
            assert_eq!(response.status(), *status);
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_was_called_is_kept_where_it_is_not_the_route() {
        let sent = |stage, path| request(stage, path).extensions().get::<SentPath>().cloned();
        assert_eq!(sent("$default", "/api/queue/jobs"), None);
        let staged = sent("staging", "/staging/api/queue/jobs");
        assert_eq!(staged, Some(SentPath("/staging/api/queue/jobs".to_owned())));
        // A domain of one's own has no stage in its paths.
        let mapped = sent("staging", "/api/queue/jobs");
        assert_eq!(mapped, Some(SentPath("/api/queue/jobs".to_owned())));
    }

    #[test]
    fn headers_with_several_values_are_joined_but_for_cookies() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("vary", "origin"),
            ("set-cookie", "a=1"),
            ("vary", "cookie"),
            ("set-cookie", "b=2"),
            ("allow", "GET"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        join_values(&mut headers);
        let all = |name| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("vary"), ["origin, cookie"]);
        assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(all("allow"), ["GET"]);
    }

    #[test]
    fn the_platform_names_the_request() {
        let request = request("$default", "/health");
        assert_eq!(
            request.extensions().get::<RequestId>().unwrap().as_str(),
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
        );
    }

    #[test]
    fn the_address_is_that_which_the_gateway_was_called_from() {
        let request = request("$default", "/health");
        assert_eq!(
            request.extensions().get::<ClientAddress>(),
            Some(&ClientAddress::new("192.0.2.1".parse().unwrap()))
        );
    }
}
