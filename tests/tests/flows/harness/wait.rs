//! Waiting for something to happen: often looked at, and not for ever.

use std::time::{Duration, Instant};

/// How often a wait looks.
const POLL: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and gives it back.
///
/// # Panics
/// If there is nothing within that time.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            begun.elapsed() < within,
            "waited {} s in vain for {what}",
            within.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Looks, for that long, that something does not happen.
///
/// # Panics
/// If it happens.
pub(crate) async fn never<T: std::fmt::Debug>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) {
    let begun = Instant::now();
    while begun.elapsed() < within {
        let seen = look().await;
        assert!(seen.is_none(), "{what}: {seen:?}");
        tokio::time::sleep(POLL).await;
    }
}
