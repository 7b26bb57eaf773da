//! What the control plane says of itself: one JSON line an event, metrics, and the capacity that each operation consumed.

mod capacity;
mod emf;
mod logs;
mod meter;

pub use capacity::CapacityMetrics;
pub use emf::{MAX_DIMENSIONS, MAX_METRICS, Metric, MetricSink, NAMESPACE, Unit};
pub use logs::{LOG_LEVEL, LogFormat, check_log_level, start_logs};
pub use meter::{Meter, Usage};

/// What Lambda sets for every function. Its runtime would stop at the first that is missing; a function names them all.
pub const LAMBDA_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_RUNTIME_API",
];
