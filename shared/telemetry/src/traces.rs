//! Traces for whoever collects them with OpenTelemetry: off unless an address is configured.
//!
//! Spans are kept in memory while a request is served, and exported in one call before it is answered: after that, Lambda stops the
//! process until the next. Nothing runs beside the requests, so that a frozen process leaves nothing half sent.
//!
//! The ids are those of [`TraceContext`](crate::TraceContext), the same as in log lines and answers, whether or not anything is exported. That is why
//! spans are made of `tracing`'s by a layer of our own: `tracing-opentelemetry` would make up others.

mod collector;
mod span_layer;

use collector::Collector;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use span_layer::SpanLayer;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// The environment variable with the address of a collector that takes OTLP over HTTP, as `http://localhost:4318`.
pub const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How many spans wait to be exported. What comes while so many wait is dropped, and counted.
const MAX_WAITING: usize = 1_000;

/// What a span says of the program it is of, and the variable that says it.
const RESOURCE: [(&str, &str); 5] = [
    ("service.name", "AWS_LAMBDA_FUNCTION_NAME"),
    ("faas.name", "AWS_LAMBDA_FUNCTION_NAME"),
    ("faas.version", "AWS_LAMBDA_FUNCTION_VERSION"),
    ("cloud.region", "AWS_REGION"),
    ("deployment.environment.name", "ENVIRONMENT"),
];

/// The traces of this process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<On>>);

#[derive(Debug)]
struct On {
    waiting: Waiting,
    collector: Collector,
}

/// Spans that have ended and are not exported yet.
#[derive(Debug, Clone, Default)]
struct Waiting(Arc<Mutex<Spans>>);

#[derive(Debug, Default)]
struct Spans {
    ended: Vec<SpanData>,
    dropped: u64,
}

impl Waiting {
    fn add(&self, span: SpanData) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.ended.len() < MAX_WAITING {
            spans.ended.push(span);
        } else {
            spans.dropped += 1;
        }
    }

    fn take(&self) -> Spans {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.ended.is_empty()
    }
}

impl Traces {
    /// Nobody collects them.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Off, unless [`OTLP_ENDPOINT`] names a collector. Nothing is connected before there is something to export.
    ///
    /// # Errors
    /// What is wrong with the address, without the address: somebody may have put a password into it.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let Some(endpoint) = lookup(OTLP_ENDPOINT).filter(|text| !text.is_empty()) else {
            return Ok(Self::off());
        };
        let attributes = RESOURCE
            .into_iter()
            .filter_map(|(name, variable)| Some(KeyValue::new(name, lookup(variable)?)))
            .chain([KeyValue::new("cloud.provider", "aws")]);
        let resource = Resource::builder_empty().with_attributes(attributes);
        let collector = Collector::at(&endpoint, resource.build())
            .map_err(|why| format!("{OTLP_ENDPOINT} {why}"))?;
        Ok(Self(Some(Arc::new(On {
            waiting: Waiting::default(),
            collector,
        }))))
    }

    /// Whether anybody collects them.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Exports what has ended. It takes a second at most; what cannot be exported then is dropped, with a warning in the
    /// log, and a collector that has failed is left alone for half a minute. `at_ms` is the time in milliseconds since
    /// 1970.
    pub async fn flush(&self, at_ms: i64) {
        let Some(on) = &self.0 else { return };
        if on.waiting.is_empty() || !on.collector.is_due(at_ms) {
            return;
        }
        let Spans { ended, dropped } = on.waiting.take();
        if dropped > 0 {
            tracing::warn!(dropped, "spans were too many to be kept");
        }
        let spans = ended.len();
        if let Err(why) = on.collector.export(ended, at_ms).await {
            tracing::warn!(spans, why, "spans could not be exported");
        }
    }

    /// What takes spans from `tracing`, if anybody collects them.
    pub(crate) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let on = self.0.as_ref()?;
        Some(SpanLayer::new(on.waiting.clone()).filtered())
    }
}

#[cfg(test)]
mod tests;
