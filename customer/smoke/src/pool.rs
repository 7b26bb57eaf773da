//! The pool of one run: it is nobody else's, and its name tells when it was made.

use std::time::Duration;
use wire::PoolName;

const PREFIX: &str = "smoke-";
const TIME_DIGITS: usize = 13;
const RANDOM_DIGITS: usize = 12;

/// After this time no run goes on, and what it left is nobody's.
const ABANDONED_AFTER: Duration = Duration::from_hours(6);

/// A name that no other run has: `smoke-<milliseconds since 1970>-<random>`.
pub(crate) fn name(now_millis: u64, random: [u8; RANDOM_DIGITS / 2]) -> Result<PoolName, String> {
    let random = random
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let name = format!("{PREFIX}{now_millis:0TIME_DIGITS$}-{random}");
    PoolName::parse(&name).map_err(|error| format!("no name for the pool: {error}"))
}

/// Whether it is the pool of a run that ended long ago without cleaning up. A pool of any other shape is somebody's own.
pub(crate) fn is_abandoned(name: &PoolName, now_millis: u64) -> bool {
    let made = || {
        let (time, random) = name.as_str().strip_prefix(PREFIX)?.split_once('-')?;
        let is_ours = time.len() == TIME_DIGITS
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == RANDOM_DIGITS
            && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_ours.then(|| time.parse::<u64>().ok()).flatten()
    };
    made().is_some_and(|made| {
        u128::from(now_millis.saturating_sub(made)) > ABANDONED_AFTER.as_millis()
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_pool_is_abandoned_when_no_run_can_go_on() {
        let own = name(NOW, [0, 1, 0xab, 3, 4, 0xff]).unwrap();
        assert_eq!(own.as_str(), "smoke-1800000000000-0001ab0304ff");
        assert!(!is_abandoned(&own, NOW));
        assert!(!is_abandoned(&own, NOW + 6 * HOUR));
        assert!(is_abandoned(&own, NOW + 6 * HOUR + 1));
        assert!(!is_abandoned(&own, NOW - HOUR), "another machine's clock");
    }

    #[test]
    fn a_pool_of_any_other_shape_is_left_alone() {
        for name in [
            "default",
            "smoke-tests",
            "smoke-1",
            "smoke-1000000000000",
            "smoke-1000000000000-",
            "smoke-1000000000000-linux",
            "smoke-1000000000000-0001ab0304ff-2",
            "smoke-100000000000x-0001ab0304ff",
            "my-smoke-1000000000000-0001ab0304ff",
        ] {
            assert!(
                !is_abandoned(&PoolName::parse(name).unwrap(), NOW),
                "{name}"
            );
        }
    }
}
