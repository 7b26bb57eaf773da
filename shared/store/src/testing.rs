//! Stores for this crate's tests, on the embedded engine and, where one runs, on AWS's DynamoDB Local.

use crate::{Store, Tables, TenantScope};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use domain::Timestamp;
use embedded_dynamodb::Engine;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::TenantId;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The engines that tests run on, each with tables of their own.
pub(crate) async fn stores() -> Vec<(&'static str, Store)> {
    let mut stores = vec![(
        "embedded",
        on(&Engine::memory().unwrap().client(), Tables::default()),
    )];
    if let Ok(url) = std::env::var("HYBRID_TEST_DYNAMODB_LOCAL") {
        static TESTS: AtomicU64 = AtomicU64::new(0);
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("s{}-{number}-", std::process::id());
        stores.push((
            "DynamoDB Local",
            on(&dynamodb_local(url), Tables::with_prefix(&prefix)),
        ));
    }
    for (_, store) in &stores {
        store.create_tables().await.unwrap();
    }
    stores
}

pub(crate) fn on(client: &Client, tables: Tables) -> Store {
    Store::new(client.clone(), tables, telemetry::Meter::default())
}

fn dynamodb_local(url: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

pub(crate) fn tenant(name: &str) -> TenantScope {
    TenantScope::new(TenantId::parse(name).unwrap())
}

/// A source of numbers that differ, for write ids and picks.
pub(crate) fn random() -> [u8; 8] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // An odd multiplier spreads the counter over all bits and stays one to one.
    NEXT.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes()
}
