//! Spans of `tracing` as spans of OpenTelemetry.

use super::Waiting;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Whose spans are exported: ours, and those of the calls to DynamoDB.
const SPANS: [(&str, LevelFilter); 4] = [
    ("web", LevelFilter::INFO),
    ("telemetry", LevelFilter::INFO),
    ("maintenance", LevelFilter::INFO),
    ("aws_sdk_dynamodb", LevelFilter::DEBUG),
];

/// The event that says how a request ended.
const SERVED: (&str, &str) = ("web::app", "served");

/// What is exported of fields, and under which name. No others are: what is not known to be harmless stays here.
const ATTRIBUTES: [(&str, &str); 11] = [
    ("request_id", "faas.invocation_id"),
    ("cold_start", "faas.coldstart"),
    ("tenant_id", "hybrid_ci.tenant_id"),
    ("job_id", "hybrid_ci.job_id"),
    ("operation", "hybrid_ci.operation"),
    ("method", "http.request.method"),
    ("route", "http.route"),
    ("status", "http.response.status_code"),
    ("code", "error.type"),
    ("rpc.system", "rpc.system"),
    ("rpc.method", "rpc.method"),
];

/// How much of a text is exported, in bytes. All that we write is shorter.
const LONGEST: usize = 256;

/// Hands spans that have ended to whoever exports them.
pub(super) struct SpanLayer {
    ended: Waiting,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
}

/// A span under way.
struct Open {
    trace_id: TraceId,
    span_id: SpanId,
    parent: SpanId,
    parent_is_remote: bool,
    start: SystemTime,
    said: Said,
}

/// What the fields of a span said.
#[derive(Debug, Default)]
struct Said {
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    parent: Option<u64>,
    unsampled: bool,
    /// Whether the event was [`SERVED`].
    served: bool,
    attributes: Vec<KeyValue>,
}

impl SpanLayer {
    pub(super) fn new(ended: Waiting) -> Self {
        Self {
            ended,
            ids: RandomIdGenerator::default(),
            scope: InstrumentationScope::builder("hybrid-ci").build(),
        }
    }

    /// The layer, for what it is about alone.
    pub(super) fn filtered<S>(self) -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.with_filter(filter_fn(is_ours).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// A span that was just begun: the first in this process says which trace it is of, the others are within one.
    fn open<S>(&self, said: Said, id: &Id, context: &Context<'_, S>) -> Option<Open>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let start = SystemTime::now();
        if let (Some(trace_id), Some(span_id)) = (said.trace_id, said.span_id) {
            let parent = said.parent.map_or(SpanId::INVALID, SpanId::from);
            return (!said.unsampled).then_some(Open {
                trace_id,
                span_id,
                parent,
                parent_is_remote: said.parent.is_some(),
                start,
                said,
            });
        }
        let mut around = context.span_scope(id)?.skip(1);
        around
            .find_map(|span| {
                let extensions = span.extensions();
                let outer = extensions.get::<Open>()?;
                Some((outer.trace_id, outer.span_id))
            })
            .map(|(trace_id, parent)| Open {
                trace_id,
                span_id: self.ids.new_span_id(),
                parent,
                parent_is_remote: false,
                start,
                said,
            })
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Said::default();
        attributes.record(&mut said);
        if let (Some(open), Some(span)) = (self.open(said, id, &context), context.span(id)) {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.said);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        if !said.served {
            return;
        }
        let Some(span) = context.event_span(event) else {
            return;
        };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            open.said.attributes.append(&mut said.attributes);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let end_time = SystemTime::now();
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        self.ended.add(SpanData {
            span_context: SpanContext::new(
                open.trace_id,
                open.span_id,
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: open.parent,
            parent_span_is_remote: open.parent_is_remote,
            span_kind: kind(span.metadata()),
            name: name(span.metadata(), &open.said.attributes),
            start_time: open.start,
            end_time,
            status: status(&open.said.attributes),
            attributes: open.said.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// Whether the layer is to be asked about it.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    if metadata.is_event() {
        return metadata.target() == SERVED.0;
    }
    let krate = metadata.target().split("::").next();
    SPANS
        .iter()
        .any(|(known, level)| krate == Some(*known) && metadata.level() <= level)
}

/// Who began it: a caller outside of this process, or we, who call another.
fn kind(metadata: &Metadata<'_>) -> SpanKind {
    match metadata.target().split("::").next() {
        Some("web" | "telemetry") => SpanKind::Server,
        Some("aws_sdk_dynamodb") => SpanKind::Client,
        Some(_) | None => SpanKind::Internal,
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a opentelemetry::Value> {
    let found = attributes.iter().find(|pair| pair.key.as_str() == name);
    found.map(|pair| &pair.value)
}

/// The name of a request is its method and the pattern of its path.
fn name(metadata: &Metadata<'static>, attributes: &[KeyValue]) -> Cow<'static, str> {
    let method = value(attributes, "http.request.method");
    match (method, value(attributes, "http.route")) {
        (Some(method), Some(route)) => format!("{method} {route}").trim_end().to_owned().into(),
        _ => metadata.name().into(),
    }
}

/// A fault of ours is an error; one of the caller's is not.
fn status(attributes: &[KeyValue]) -> Status {
    match value(attributes, "http.response.status_code") {
        Some(opentelemetry::Value::I64(500..)) => Status::error(""),
        _ => Status::Unset,
    }
}

impl Said {
    fn attribute(&mut self, field: &Field, value: impl Into<opentelemetry::Value>) {
        let known = ATTRIBUTES.iter().find(|(known, _)| *known == field.name());
        if let Some((_, name)) = known {
            self.attributes.retain(|pair| pair.key.as_str() != *name);
            self.attributes.push(KeyValue::new(*name, value));
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "trace_id" => self.trace_id = TraceId::from_hex(text).ok(),
            "span_id" => self.span_id = SpanId::from_hex(text).ok(),
            "message" => self.served = text == SERVED.1,
            _ => {
                let kept = text.get(..text.floor_char_boundary(LONGEST));
                self.attribute(field, kept.unwrap_or_default().to_owned());
            }
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "otel.unsampled" {
            self.unsampled = value;
        } else {
            self.attribute(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attribute(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "otel.parent" {
            self.parent = Some(value);
        } else {
            self.attribute(field, i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}
