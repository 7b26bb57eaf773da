//! What is known of the request that is being served, wherever in its handling one is.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::net::IpAddr;
use telemetry::TraceContext;
use tracing::Span;
use wire::{JobId, TenantId};

/// The id of a request: in its answer, in every log line about it, in `instance` of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

/// The header with a request's id.
pub(crate) const HEADER: &str = "x-request-id";

/// The header with the trace that a call belongs to.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The same, as X-Ray has it. Lambda sets it on every invocation.
const XRAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");

impl RequestId {
    /// The id, if it is one: 1 to 64 of letters, digits, `-`, `_` and `.`, so that it can be neither a log line of its
    /// own nor a header.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The id in the request's headers, if there is one and it is well formed; otherwise a random one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .unwrap_or_else(Self::random)
    }

    fn random() -> Self {
        let bytes: [u8; 16] = crate::Entropy::system().bytes();
        Self(data_encoding::HEXLOWER.encode(&bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The trace that the headers name: that of `traceparent`, otherwise that of X-Ray's header. A new one, if neither names any,
/// or if `traceparent` is malformed or there twice.
pub(crate) fn trace_of(headers: &HeaderMap) -> TraceContext {
    let random = crate::Entropy::system().bytes();
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none());
        value.and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let named = if headers.contains_key(TRACEPARENT) {
        only(TRACEPARENT).and_then(|value| TraceContext::following(value, random))
    } else {
        only(XRAY).and_then(|value| TraceContext::following_xray(value, random))
    };
    named.unwrap_or_else(|| TraceContext::new(random))
}

/// The address that a request came from, as an extension of it: whatever accepted the connection knows it. A header such as
/// `X-Forwarded-For` says what its sender likes, and is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The address. An IPv4 address in IPv6 notation is an IPv4 address.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

/// The path that was called, as an extension of a request whose own path is a route's and another: behind a stage that has
/// a name, clients call and sign `/stage/api/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentPath(pub String);

#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) id: RequestId,
    pub(crate) address: Option<ClientAddress>,
    pub(crate) span: Span,
}

tokio::task_local! {
    pub(crate) static CONTEXT: RequestContext;
}

/// The id of the request that is being served; empty outside of one.
pub fn request_id() -> String {
    CONTEXT
        .try_with(|context| context.id.0.clone())
        .unwrap_or_default()
}

/// The address that the request being served came from; none outside of one, and where nobody knows it.
pub fn client_address() -> Option<IpAddr> {
    let address = CONTEXT.try_with(|context| context.address);
    address.ok().flatten().map(|ClientAddress(address)| address)
}

/// Puts the tenant on every further log line about this request.
pub fn note_tenant(tenant: &TenantId) {
    record("tenant_id", tenant.as_str());
}

/// Puts the job on every further log line about this request.
pub fn note_job(job: &JobId) {
    record("job_id", job.as_str());
}

fn record(field: &'static str, value: &str) {
    // Outside of a request there is nothing to put it on.
    let _ = CONTEXT.try_with(|context| {
        context.span.record(field, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_line_is_not_taken_over() {
        assert!(RequestId::parse("6f1d-A.b_c").is_some());
        for bad in ["", "a b", "a\nb", "a\"b", &"x".repeat(65), "é"] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("a b"));
        assert_eq!(RequestId::from_headers(&headers).as_str().len(), 32);
    }

    #[test]
    fn a_trace_is_taken_from_the_headers_or_begins() {
        const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        const AMAZON: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0";
        let trace = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::from_static(value));
            }
            trace_of(&headers).trace_id().to_string()
        };
        let (w3c, amazon) = (&W3C[3..35], "5759e988bd862e3fe1be46a994272793");
        assert_eq!(trace(&[(TRACEPARENT, W3C)]), w3c);
        assert_eq!(trace(&[(XRAY, AMAZON)]), amazon);
        assert_eq!(trace(&[(XRAY, AMAZON), (TRACEPARENT, W3C)]), w3c);
        for begun in [
            trace(&[]),
            trace(&[(XRAY, "junk")]),
            trace(&[(TRACEPARENT, "junk"), (XRAY, AMAZON)]),
            trace(&[(TRACEPARENT, W3C), (TRACEPARENT, W3C)]),
        ] {
            assert!(begun != w3c && begun != amazon, "{begun}");
            assert_eq!(begun.len(), 32);
        }
    }
}
