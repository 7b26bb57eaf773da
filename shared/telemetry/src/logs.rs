//! Logs through `tracing`.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// A short line, for a person at a terminal; on standard error.
    Terminal,
}

/// Starts logging. `LOG_LEVEL` chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`; the default is
/// `default_level`. A second call changes nothing.
pub fn start_logs(format: LogFormat, default_level: &str) {
    let filter =
        EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new(default_level));
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
    drop(started);
}
