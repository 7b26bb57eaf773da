//! The start of a function on Lambda.

use crate::settings::Settings;
use crate::{Api, Program, Routes, Usage};
use domain::limits::Limits;
use std::collections::BTreeSet;
use std::process::ExitCode;
use telemetry::{CapacityMetrics, MetricSink, Traces};
use web::{Clock, Entropy, Operations};

/// What is wrong with an environment in which `lookup` finds the variables, apart from a configuration of the program's own.
pub fn faults(program: &Program, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    Settings::read(program, lookup).err().unwrap_or_default()
}

/// A variable of the environment.
fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

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
    // What is wrong with the address of a collector is among the faults of the settings.
    let traces = Traces::read(&from_env).unwrap_or_default();
    telemetry::start_logs_and_traces("info", &traces);
    let (settings, own) = match (Settings::read(&program, &from_env), read()) {
        (Ok(settings), Ok(own)) => (settings, own),
        (settings, own) => {
            let faults = [settings.err(), own.err()].into_iter().flatten();
            // What both need and neither finds is said once.
            let faults: BTreeSet<String> = faults.flatten().collect();
            let faults: Vec<String> = faults.into_iter().collect();
            tracing::error!(
                program = program.name,
                faults = faults.join("; "),
                "the configuration has faults"
            );
            return ExitCode::FAILURE;
        }
    };
    let sink = MetricSink::stdout(settings.environment.as_str());
    let capacity = CapacityMetrics::new(settings.store.meter().clone(), sink.clone());
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
    let (router, document) = make(api, own).into_parts();
    let operations = Operations::new(&document, sink);
    let requests = operations.metrics().clone();
    // Between two requests the process stands still: what there is to tell can only be told along with an answer.
    let after_each = move || {
        let at_ms = clock.now().as_millis();
        capacity.publish_every_minute(at_ms);
        requests.publish_due(at_ms);
        let traces = traces.clone();
        async move { traces.flush(at_ms).await }
    };
    match web::lambda::serve(router, operations, after_each).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(program = program.name, %error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
