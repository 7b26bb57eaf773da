//! Maintenance on Lambda.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use maintenance::{Event, Maintenance, handle_one, store_from_env};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::{LogFormat, start_logs};
use wire::Timestamp;

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

fn now() -> Timestamp {
    at(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default())
}

fn at(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    // Without them two writes could be taken for one another; Lambda starts a new process after this.
    assert!(getrandom::fill(&mut bytes).is_ok(), "no random bytes");
    bytes
}
