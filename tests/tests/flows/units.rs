//! What each call and each pass of maintenance takes of DynamoDB, counted: `docs/units.json`, from which
//! `cargo xtask month-cost` computes what a month costs.

mod calls;
mod maintenance;
mod world;

use domain::timing::HEARTBEAT_INTERVAL_SECONDS;
use serde_json::{Value, json};
use std::path::Path;

/// A number with three digits behind the point: what is beyond says nothing.
fn rounded(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

#[tokio::test]
async fn units_that_the_price_of_a_month_follows_from_are_those_that_are_counted() {
    let calls = calls::measure().await;
    let unasked = maintenance::measure().await;
    let counted = json!({
        "calls": calls.by_name,
        "maintenance": unasked.maintenance,
        "stored_bytes": unasked.stored_bytes,
        "seconds": {
            "between_heartbeats": HEARTBEAT_INTERVAL_SECONDS,
            "between_polls": calls.seconds_between_polls,
            "job_is_kept": unasked.job_is_kept,
        },
    });
    let counted = format!("{counted:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/units.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &counted).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == counted,
        "docs/units.json is not what is counted; UPDATE_SNAPSHOTS=1 writes it anew, and after it the price in \
         docs/operations.md:\n{counted}"
    );
}
