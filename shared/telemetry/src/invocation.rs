//! What is known of an invocation of a function, on every log line about it.

use crate::TraceContext;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::Span;

/// Tells the first invocation of a process from the others: it is the one that waited for the process to start.
#[derive(Debug, Default)]
pub struct ColdStart(AtomicBool);

impl ColdStart {
    /// Whether this is the first time that it is asked.
    pub fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// The span of an invocation that is no request.
pub fn invocation(request_id: &str, trace: &TraceContext, cold_start: bool) -> Span {
    // At the highest level, so that no filter takes the ids from the lines inside.
    tracing::error_span!(
        "invocation",
        request_id,
        trace_id = %trace.trace_id(),
        span_id = %trace.span_id(),
        otel.parent = trace.parent(),
        otel.unsampled = (!trace.is_sampled()).then_some(true),
        cold_start
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_invocation_is_a_cold_start() {
        let cold_start = ColdStart::default();
        assert!(cold_start.is_first());
        assert!(!cold_start.is_first());
    }
}
