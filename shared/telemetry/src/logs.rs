//! Logs through `tracing`.

use std::panic::PanicHookInfo;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// A short line, for a person at a terminal; on standard error.
    Terminal,
}

/// The environment variable that chooses what is logged, as levels by target: `info`, or `warn,queue=debug`.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// Starts logging. [`LOG_LEVEL`] chooses what is logged; the default, also for one that cannot be read, is
/// `default_level`. A second call changes nothing.
///
/// Panics are logged with their place and without their message, which may quote a request.
pub fn start_logs(format: LogFormat, default_level: &str) {
    let default = || {
        default_level
            .parse()
            .unwrap_or(Targets::new().with_default(LevelFilter::INFO))
    };
    let chosen = std::env::var(LOG_LEVEL)
        .ok()
        .and_then(|level| level.parse().ok());
    let registry = tracing_subscriber::registry().with(chosen.unwrap_or_else(default));
    let lines = tracing_subscriber::fmt::layer();
    let started = match format {
        LogFormat::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false),
            )
            .try_init(),
        LogFormat::Terminal => registry
            .with(
                lines
                    .with_writer(std::io::stderr)
                    .with_target(false)
                    .compact(),
            )
            .try_init(),
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Says what is wrong with a log level, for a program that reports all faults of its configuration before it starts.
///
/// # Errors
/// The reason, in words.
pub fn check_log_level(level: &str) -> Result<(), String> {
    level
        .parse::<Targets>()
        .map(drop)
        .map_err(|error| error.to_string())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map_or_else(String::new, ToString::to_string);
    tracing::error!(place, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_level_is_a_level_or_levels_by_target() {
        assert!(check_log_level("info").is_ok());
        assert!(check_log_level("warn,queue=debug").is_ok());
        assert!(check_log_level("queue=loud").is_err());
    }
}
