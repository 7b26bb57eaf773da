//! The orchestrator on Lambda.

use domain::limits::Limits;
use lambda_runtime::{Error, run, service_fn};
use orchestrator::{Orchestrator, Parts, invoke, now, random, settings};
use std::process::ExitCode;
use std::sync::Arc;
use telemetry::{MetricSink, Traces, start_logs_and_traces};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // What is wrong with the address of a collector is among the faults of the settings.
    let from_env = |name: &str| std::env::var(name).ok();
    let traces = Traces::read(&from_env).unwrap_or_default();
    start_logs_and_traces("info", &traces);
    let (settings, opener) = match settings(&from_env) {
        Ok(settings) => settings,
        Err(faults) => {
            let faults = faults.join("; ");
            tracing::error!(
                program = "orchestrator",
                faults,
                "the configuration has faults"
            );
            return ExitCode::FAILURE;
        }
    };
    let sink = MetricSink::stdout(settings.environment.as_str());
    let orchestrator = Orchestrator::new(Parts {
        store: settings.store,
        opener,
        now: Arc::new(now),
        random: Arc::new(random::<8>),
        limits: Limits::default(),
    });
    let orchestrator = &orchestrator.with_metrics(sink).with_traces(traces);
    let served = run(service_fn(|event| async move {
        Ok::<_, Error>(invoke(event, orchestrator).await)
    }));
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
