//! The start of a function on Lambda.

use crate::settings::Settings;
use crate::{Api, Program, Routes, Usage};
use domain::limits::Limits;
use std::process::ExitCode;
use telemetry::{CapacityMetrics, LogFormat, MetricSink};
use web::{Clock, Entropy};

/// Reads the configuration, starts the logs and serves the routes until Lambda ends the process.
///
/// If the configuration has faults, all of them are logged in one line, and the process is to end with the exit code
/// that this returns.
pub async fn run(program: Program, make: impl FnOnce(Api) -> Routes) -> ExitCode {
    run_with(program, || Ok(()), |api, ()| make(api)).await
}

/// As [`run`], for a program with a configuration of its own, which `read` reads. Its faults are logged with the others.
pub async fn run_with<T>(
    program: Program,
    read: impl FnOnce() -> Result<T, Vec<String>>,
    make: impl FnOnce(Api, T) -> Routes,
) -> ExitCode {
    telemetry::start_logs(LogFormat::Json, "info");
    let (settings, own) = match (Settings::from_env(&program), read()) {
        (Ok(settings), Ok(own)) => (settings, own),
        (settings, own) => {
            let faults = [settings.err(), own.err()].into_iter().flatten();
            let faults: Vec<String> = faults.flatten().collect();
            tracing::error!(
                program = program.name,
                faults = faults.join("; "),
                "the configuration has faults"
            );
            return ExitCode::FAILURE;
        }
    };
    let sink = MetricSink::stdout(settings.environment.as_str());
    let capacity = CapacityMetrics::new(settings.store.meter().clone(), sink);
    let clock = Clock::system();
    let api = Api {
        store: settings.store,
        clock: clock.clone(),
        entropy: Entropy::system(),
        limits: Limits::default(),
        usage: Usage::default(),
        environment: settings.environment,
        origin: settings.origin,
        name: program.name,
        version: program.version,
    };
    let (router, _document) = make(api, own).into_parts();
    // Between two requests the process stands still: what was consumed can only be told along with an answer.
    let after_each = move || capacity.publish_every_minute(clock.now().as_millis());
    match web::lambda::serve(router, after_each).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(program = program.name, %error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
