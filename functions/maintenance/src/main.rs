//! Maintenance on Lambda.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use maintenance::{Maintenance, handle_one};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Store;
use telemetry::{LogFormat, Meter, start_logs};
use wire::Timestamp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs(LogFormat::Json, "info");
    let (client, tables) = maintenance::settings_from_env()?;
    let store = Store::new(client, tables, Meter::default());
    let maintenance = Maintenance::new(store, Arc::new(now), Arc::new(random));
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let deadline = at(Duration::from_millis(event.context.deadline));
        Ok::<_, Error>(handle_one(event.payload, &maintenance, deadline).await)
    }))
    .await
}

fn now() -> Timestamp {
    at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn at(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn random() -> [u8; 8] {
    getrandom::u64().unwrap_or_default().to_le_bytes()
}
