//! Whoever collects spans, called over HTTP.

use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::HttpClient;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// How long an export may take, with the connection that it may need: whoever called waits for it.
const WITHIN: Duration = Duration::from_secs(1);

/// How long a collector is left alone after it has failed, in milliseconds.
const LEFT_ALONE_MS: i64 = 30_000;

/// Where OTLP has traces.
const PATH: &str = "v1/traces";

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    endpoint: String,
    is_https: bool,
    resource: Resource,
    exporter: OnceCell<opentelemetry_otlp::SpanExporter>,
    /// Until when it is left alone.
    quiet_until_ms: AtomicI64,
}

impl Collector {
    /// The collector at that address.
    pub(super) fn at(endpoint: &str, resource: Resource) -> Result<Self, &'static str> {
        let uri: Uri = endpoint.parse().map_err(|_| "is no address")?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err("must begin with http:// or https://"),
        };
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if !has_host || uri.query().is_some() {
            return Err("must be an address with a host and without a query");
        }
        if uri
            .authority()
            .is_some_and(|host| host.as_str().contains('@'))
        {
            return Err("must not hold a credential");
        }
        Ok(Self {
            endpoint: format!("{}/{PATH}", endpoint.trim_end_matches('/')),
            is_https,
            resource,
            exporter: OnceCell::new(),
            quiet_until_ms: AtomicI64::new(i64::MIN),
        })
    }

    /// Whether it may be called.
    pub(super) fn is_due(&self, at_ms: i64) -> bool {
        let until = self.quiet_until_ms.load(Ordering::Relaxed);
        // A clock that was set back must not silence it until it is where it was.
        at_ms >= until || until.saturating_sub(at_ms) > LEFT_ALONE_MS
    }

    /// Exports spans.
    pub(super) async fn export(&self, spans: Vec<SpanData>, at_ms: i64) -> Result<(), String> {
        let exported = match timeout(WITHIN, self.try_twice(spans)).await {
            Ok(exported) => exported,
            Err(_) => Err("no answer in time".to_owned()),
        };
        if exported.is_err() {
            let until = at_ms.saturating_add(LEFT_ALONE_MS);
            self.quiet_until_ms.store(until, Ordering::Relaxed);
        }
        exported
    }

    /// A connection that was kept may have been closed while this process stood still: then the second is a new one.
    async fn try_twice(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let exporter = self.exporter.get_or_try_init(|| self.connect()).await?;
        match exporter.export(spans.clone()).await {
            Ok(()) => Ok(()),
            Err(_) => exporter
                .export(spans)
                .await
                .map_err(|error| error.to_string()),
        }
    }

    async fn connect(&self) -> Result<opentelemetry_otlp::SpanExporter, String> {
        let client: Arc<dyn HttpClient> = if self.is_https {
            // Reading the system's roots takes milliseconds, of a disk.
            let connector = tokio::task::spawn_blocking(|| {
                let provider = rustls::crypto::aws_lc_rs::default_provider();
                HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)
            });
            let connector = connector.await.map_err(|error| error.to_string())?;
            let connector = connector.map_err(|error| error.to_string())?;
            let connector = connector.https_only().enable_http1().build();
            Arc::new(HyperClient::new(connector, WITHIN, None))
        } else {
            Arc::new(HyperClient::with_default_connector(WITHIN, None))
        };
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_shared_http_client(client)
            .with_endpoint(&self.endpoint)
            .with_timeout(WITHIN)
            // Whoever called waits: what fails twice is given up.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| error.to_string())?;
        exporter.set_resource(&self.resource);
        Ok(exporter)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn at(endpoint: &str) -> Result<Collector, &'static str> {
        Collector::at(endpoint, Resource::builder_empty().build())
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_credential() {
        for good in ["http://localhost:4318", "https://otlp.example.com/base/"] {
            let endpoint = at(good).unwrap().endpoint;
            assert!(endpoint.ends_with("/v1/traces"), "{endpoint}");
            assert!(!endpoint.contains("//v1"), "{endpoint}");
        }
        for bad in [
            "localhost:4318",
            "/",
            "ftp://localhost",
            "http://",
            "http://x?key=1",
            "http://key:secret@localhost",
            "http://a b",
        ] {
            let why = at(bad).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_collector_is_left_alone_for_half_a_minute_whatever_the_clock_does() {
        let collector = at("http://localhost:4318").unwrap();
        assert!(collector.is_due(0));
        collector.quiet_until_ms.store(130_000, Ordering::Relaxed);
        for (at_ms, is_due) in [
            (100_000, false),
            (129_999, false),
            (130_000, true),
            (0, true),
        ] {
            assert_eq!(collector.is_due(at_ms), is_due, "{at_ms}");
        }
    }
}
