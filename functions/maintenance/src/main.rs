//! Maintenance on Lambda.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maintenance::{Event, Maintenance, at, handle_one, now, random, store_from_env};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{LogFormat, start_logs};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_logs(LogFormat::Json, "info");
    let store = match store_from_env() {
        Ok(store) => store,
        Err(fault) => {
            tracing::error!(%fault, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let maintenance = &Maintenance::new(store, Arc::new(now), Arc::new(random));
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
