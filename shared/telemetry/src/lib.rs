//! What the control plane says of itself: one JSON line an event, and the capacity that each operation consumed.

mod logs;
mod meter;

pub use logs::{LOG_LEVEL, LogFormat, check_log_level, start_logs};
pub use meter::{Meter, Usage};
