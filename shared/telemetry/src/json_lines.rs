//! Log lines as JSON objects: what happened, and beside it what is known of the request that it happened in.
//!
//! An object has no objects in it, so that every field is found by its name alone. A request's own fields are written once,
//! when they become known, and copied into each of its lines.

use crate::json_text::{Members, Value};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What every line has. A field that somebody gives such a name gets another.
const ALWAYS: [&str; 5] = [
    "timestamp",
    "level",
    "target",
    "function",
    "function_version",
];

/// How fields begin that are for traces alone.
const NOT_LOGGED: &str = "otel.";

/// Where lines go.
#[derive(Clone)]
pub(crate) enum Lines {
    /// The standard output, which Lambda takes line by line.
    Stdout,
    /// A writer, which is given one line at a time.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests read what was written"))]
    To(Arc<Mutex<dyn Write + Send>>),
}

/// Writes a JSON object for every event.
pub(crate) struct JsonLines {
    lines: Lines,
    /// Members that are the same in every line.
    constant: String,
}

impl JsonLines {
    /// `constants` are in every line.
    pub(crate) fn new(lines: Lines, constants: &[(&'static str, String)]) -> Self {
        let mut constant = Members::default();
        for (name, value) in constants {
            constant.set(name, Value::Text(value));
        }
        Self {
            lines,
            constant: constant.as_str().to_owned(),
        }
    }

    fn write(&self, line: &str) {
        // A line that cannot be written is lost: nothing else may fail for it.
        let _ = match &self.lines {
            Lines::Stdout => io::stdout().lock().write_all(line.as_bytes()),
            Lines::To(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(line.as_bytes())
            }
        };
    }
}

/// What a line is made in. It keeps its memory from one line to the next.
#[derive(Default)]
struct Draft {
    time: String,
    line: String,
    members: Members,
}

thread_local! {
    static DRAFT: RefCell<Draft> = RefCell::default();
}

impl Draft {
    fn fill<S: Subscriber + for<'a> LookupSpan<'a>>(
        &mut self,
        event: &Event<'_>,
        context: &Context<'_, S>,
        constant: &str,
    ) {
        let Self {
            time,
            line,
            members,
        } = self;
        time.clear();
        // The clock of the system always has a time that can be written.
        let _ = SystemTime.format_time(&mut Writer::new(time));
        members.clear();
        let metadata = event.metadata();
        members.set("timestamp", Value::Text(time));
        members.set("level", Value::Text(metadata.level().as_str()));
        members.set("target", Value::Text(metadata.target()));
        event.record(&mut Fields(members));
        // From the innermost span outwards: what is known there goes before what was known before.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(known) = span.extensions().get::<Members>() {
                members.add_missing(known);
            }
        }
        line.clear();
        line.push('{');
        line.push_str(members.as_str());
        if !constant.is_empty() {
            line.push(',');
            line.push_str(constant);
        }
        line.push_str("}\n");
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut members = Members::default();
        attributes.record(&mut Fields(&mut members));
        span.extensions_mut().insert(members);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(members) = span.extensions_mut().get_mut::<Members>() {
            values.record(&mut Fields(members));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        DRAFT.with(|draft| {
            // It is taken only if a value that is being written logs something itself.
            if let Ok(mut draft) = draft.try_borrow_mut() {
                draft.fill(event, &context, &self.constant);
                self.write(&draft.line);
            } else {
                let mut draft = Draft::default();
                draft.fill(event, &context, &self.constant);
                self.write(&draft.line);
            }
        });
    }
}

/// Takes the fields of an event or of a span.
struct Fields<'a>(&'a mut Members);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value<'_>) {
        let name = field.name();
        if name.starts_with(NOT_LOGGED) {
            return;
        }
        if ALWAYS.contains(&name) {
            self.0.set("field", value);
        } else {
            self.0.set(name, value);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::Text(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bare(&value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Bare(&value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Bare(&value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no others.
        if value.is_finite() {
            self.set(field, Value::Bare(&value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::Shown(value));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    /// What is written while `work` runs.
    fn logged(work: impl FnOnce()) -> Vec<serde_json::Value> {
        let written = Arc::new(Mutex::new(Vec::<u8>::new()));
        let constants = [("function", "queue".to_owned())];
        let layer = JsonLines::new(Lines::To(written.clone()), &constants);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
                line
            })
            .collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_what_is_known_of_the_request() {
        let lines = logged(|| {
            let span = tracing::error_span!(
                "request",
                request_id = "r-1",
                tenant_id = tracing::field::Empty,
                otel.parent = 7_u64
            );
            span.in_scope(|| {
                tracing::info!(status = 200_u16, code = None::<&str>, "served");
                span.record("tenant_id", "acme");
                span.record("tenant_id", "other");
                tracing::warn!(error = %"a \"b\"\n\u{1}", share = 0.5, bad = f64::NAN, ok = true);
            });
            tracing::error!("outside");
        });
        let without_time = |line: &serde_json::Value| {
            let mut line = line.clone();
            line.as_object_mut().unwrap().remove("timestamp");
            line
        };
        let target = "telemetry::json_lines::tests";
        let [served, warned, outside] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(
            without_time(served),
            json!({
                "level": "INFO", "target": target, "message": "served", "status": 200,
                "request_id": "r-1", "function": "queue",
            })
        );
        assert_eq!(
            without_time(warned),
            json!({
                "level": "WARN", "target": target, "error": "a \"b\"\n\u{1}", "share": 0.5, "ok": true,
                "request_id": "r-1", "tenant_id": "other", "function": "queue",
            })
        );
        assert_eq!(
            without_time(outside),
            json!({ "level": "ERROR", "target": target, "message": "outside", "function": "queue" })
        );
    }

    #[test]
    fn no_name_is_in_a_line_twice() {
        let lines = logged(|| {
            let outer = tracing::error_span!("outer", id = "outer", a = 1);
            let inner = outer.in_scope(|| tracing::error_span!("inner", id = "inner", b = 2));
            inner.in_scope(|| tracing::info!(b = 3, level = "mine", "an event"));
        });
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!((&line["id"], &line["a"]), (&json!("inner"), &json!(1)));
        assert_eq!((&line["b"], &line["level"]), (&json!(3), &json!("INFO")));
        assert_eq!(line["field"], "mine");
        assert_eq!(line.as_object().unwrap().len(), 9, "{line}");
    }

    #[test]
    fn a_line_within_a_line_is_written_as_well() {
        let lines = DRAFT.with(|draft| {
            let _taken = draft.borrow_mut();
            logged(|| tracing::info!(who = "a value that is being written", "within"))
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["message"], "within");
    }
}
