//! Maintenance on Lambda.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maintenance::{Event, Maintenance, Settings, at, handle_one, now, random};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{LogFormat, MetricSink, start_logs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_logs(LogFormat::Json, "info");
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(fault) => {
            tracing::error!(%fault, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let sink = MetricSink::stdout(settings.environment.as_str());
    let maintenance = Maintenance::new(settings.store, Arc::new(now), Arc::new(random));
    let maintenance = &maintenance.with_metrics(sink);
    let served = run(service_fn(|event: LambdaEvent<Event>| async move {
        let deadline = at(Duration::from_millis(event.context.deadline));
        Ok::<_, Error>(handle_one(event.payload, maintenance, deadline).await)
    }));
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}
