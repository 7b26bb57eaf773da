//! The system's clock and randomness, for the function itself.

use std::time::{SystemTime, UNIX_EPOCH};
use wire::Timestamp;

/// The system's time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::since_epoch(since.unwrap_or_default())
}

/// Random bytes.
///
/// # Panics
/// Without them two writes could be taken for one another; Lambda starts a new process after this.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    assert!(getrandom::fill(&mut bytes).is_ok(), "no random bytes");
    bytes
}
