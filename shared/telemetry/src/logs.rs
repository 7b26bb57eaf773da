//! Logs through `tracing`.

use crate::Traces;
use crate::json_lines::{JsonLines, Lines};
use crate::panics::log_panic;
use tracing::Level;
use tracing_subscriber::Layer;
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

/// What every line of a function says, and the variable in which Lambda says it.
const CONSTANTS: [(&str, &str); 2] = [
    ("function", "AWS_LAMBDA_FUNCTION_NAME"),
    ("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
];

/// Where Lambda's runtime makes a span of each invocation: what it says, ours says as well.
const RUNTIME_SPAN: &str = "lambda_runtime::layers::trace";

/// How the targets of the AWS SDK's own machinery begin.
const SDK: &str = "aws_smithy_runtime";

/// Starts logging. [`LOG_LEVEL`] chooses what is logged; the default, also for one that cannot be read, is
/// `default_level`. A second call changes nothing.
///
/// A panic is logged with its place, and with its message as far as that stands in the program: what a program makes at
/// run time may quote a request.
pub fn start_logs(format: LogFormat, default_level: &str) {
    // One filter stands before everything, which costs least.
    let registry = tracing_subscriber::registry().with(chosen(default_level));
    let started = match format {
        LogFormat::Json => registry.with(json()).try_init(),
        LogFormat::Terminal => registry
            .with(
                tracing_subscriber::fmt::layer()
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

/// As [`start_logs`] in JSON, and hands spans to those traces, whatever the log's level is.
pub fn start_logs_and_traces(default_level: &str, traces: &Traces) {
    let Some(spans) = traces.layer() else {
        return start_logs(LogFormat::Json, default_level);
    };
    let lines = json().with_filter(chosen(default_level));
    let registry = tracing_subscriber::registry().with(lines);
    if registry.with(spans).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// What is logged, as [`LOG_LEVEL`] has it.
fn chosen(default_level: &str) -> Targets {
    let default = || {
        default_level
            .parse()
            .unwrap_or(Targets::new().with_default(LevelFilter::INFO))
    };
    let chosen = std::env::var(LOG_LEVEL)
        .ok()
        .and_then(|level| level.parse().ok());
    without_answers(with_errors(chosen.unwrap_or_else(default)))
}

/// The same, with the errors of everything that is not named: a program that cannot start is to be heard.
fn with_errors(chosen: Targets) -> Targets {
    let is_named = chosen.iter().any(|(target, _)| target == RUNTIME_SPAN);
    let chosen = match chosen.default_level() {
        None | Some(LevelFilter::OFF) => chosen.with_default(LevelFilter::ERROR),
        Some(_) => chosen,
    };
    if is_named {
        chosen
    } else {
        chosen.with_target(RUNTIME_SPAN, LevelFilter::ERROR)
    }
}

/// The same without what the SDK of AWS says at its lowest level, which is what tables and queues have answered, whole. That
/// is in no log, whatever is chosen.
fn without_answers(chosen: Targets) -> Targets {
    let is_sdk = |target: &str| target.starts_with(SDK) || SDK.starts_with(target);
    let named = chosen.iter().filter(|(target, _)| is_sdk(target));
    let mut targets: Vec<_> = named.map(|(target, _)| target.to_owned()).collect();
    targets.push(SDK.to_owned());
    targets.retain(|target| chosen.would_enable(target, &Level::TRACE));
    let less = |chosen: Targets, target| chosen.with_target(target, LevelFilter::DEBUG);
    targets.into_iter().fold(chosen, less)
}

fn json() -> JsonLines {
    let found = CONSTANTS
        .into_iter()
        .filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)));
    JsonLines::new(Lines::Stdout, &found.collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_level_is_a_level_or_levels_by_target() {
        assert!(check_log_level("info").is_ok());
        assert!(check_log_level("warn,queue=debug").is_ok());
        assert!(check_log_level("queue=loud").is_err());
    }

    #[test]
    fn errors_are_logged_unless_they_are_named() {
        let enabled = |chosen: &str, target, level| {
            let chosen = chosen.parse::<Targets>().map(with_errors);
            chosen.is_ok_and(|chosen| chosen.would_enable(target, &level))
        };
        for chosen in ["off", "queue=debug", "queue=off", "info"] {
            assert!(enabled(chosen, "store::call", Level::ERROR), "{chosen}");
        }
        assert!(enabled("queue=debug", "queue::claim_job", Level::DEBUG));
        assert!(!enabled("queue=debug", "store::call", Level::WARN));
        assert!(!enabled("queue=off", "queue", Level::ERROR));
        assert!(!enabled("trace", RUNTIME_SPAN, Level::INFO));
        let named = "info,lambda_runtime::layers::trace=info";
        assert!(enabled(named, RUNTIME_SPAN, Level::INFO));
    }

    #[test]
    fn what_tables_and_queues_answer_is_not_logged_at_any_level() {
        let enabled = |chosen: &str, target, level| {
            let chosen = chosen.parse::<Targets>().map(without_answers);
            chosen.is_ok_and(|chosen| chosen.would_enable(target, &level))
        };
        let told = "aws_smithy_runtime::client::orchestrator::http";
        for chosen in [
            "trace",
            "info,aws_smithy_runtime=trace",
            "info,aws_smithy_runtime::client=trace",
            "info,aws=trace",
            "aws_smithy_runtime::client::orchestrator::http=trace",
        ] {
            assert!(!enabled(chosen, told, Level::TRACE), "{chosen}");
            assert!(enabled(chosen, told, Level::DEBUG), "{chosen}");
        }
        assert!(enabled("trace", "store::call", Level::TRACE));
        // Nothing more is logged than was chosen.
        for chosen in ["info", "debug,aws_smithy_runtime=warn"] {
            assert!(!enabled(chosen, told, Level::DEBUG), "{chosen}");
        }
    }
}
