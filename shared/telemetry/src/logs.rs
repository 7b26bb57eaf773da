//! Logs through `tracing`.

use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// A short line, for a person at a terminal; on standard error.
    Terminal,
}

/// The environment variable that chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// Starts logging. [`LOG_LEVEL`] chooses what is logged; the default, also for one that cannot be read, is
/// `default_level`. A second call changes nothing.
///
/// Panics are logged with their place and without their message, which may quote a request.
pub fn start_logs(format: LogFormat, default_level: &str) {
    let filter =
        EnvFilter::try_from_env(LOG_LEVEL).unwrap_or_else(|_| EnvFilter::new(default_level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Terminal => builder
            .with_writer(std::io::stderr)
            .with_target(false)
            .compact()
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
    EnvFilter::try_new(level)
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
