//! The system's clock and randomness, for the function itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::TraceContext;
use wire::Timestamp;

/// The system's time.
pub fn now() -> Timestamp {
    at(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default())
}

/// The moment that long after 1970.
pub fn at(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Random bytes.
///
/// # Panics
/// Without them two writes could be taken for one another; Lambda starts a new process after this.
pub fn random() -> [u8; 8] {
    bytes()
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    assert!(getrandom::fill(&mut bytes).is_ok(), "no random bytes");
    bytes
}

/// The trace that an invocation belongs to, as Lambda says it; a new one, if it says none.
///
/// # Panics
/// As [`random`].
pub(crate) fn trace_of(xray: Option<&str>) -> TraceContext {
    xray.and_then(|header| TraceContext::following_xray(header, bytes()))
        .unwrap_or_else(|| TraceContext::new(bytes()))
}
