//! What the control plane says of itself: one JSON line an event, metrics, traces, and the capacity that each operation consumed.

mod capacity;
mod catalogue;
mod emf;
mod invocation;
mod json_lines;
mod json_text;
mod kept;
mod logs;
mod meter;
mod panics;
pub mod prometheus;
mod requests;
mod trace_context;
mod traces;

pub use capacity::CapacityMetrics;
pub use catalogue::{Described, Kind, METRICS};
pub use emf::{MAX_DIMENSIONS, MAX_METRICS, MAX_VALUES, Metric, MetricSink, NAMESPACE, Unit};
pub use invocation::{ColdStart, invocation};
pub use kept::KeptMetrics;
pub use logs::{LOG_LEVEL, LogFormat, check_log_level, start_logs, start_logs_and_traces};
pub use meter::{Meter, Usage};
pub use requests::{Operation, RequestMetrics};
pub use trace_context::TraceContext;
pub use traces::{OTLP_ENDPOINT, Traces};

/// What Lambda sets for every function. Its runtime would stop at the first that is missing; a function names them all.
pub const LAMBDA_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];
