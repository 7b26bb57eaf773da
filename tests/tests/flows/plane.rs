//! The control plane's routes on a store in memory, with a clock that stands still.

use auth::{Api, Environment, Routes};
use embedded_dynamodb::Engine;
use store::{Store, Tables};
use web::{Clock, Entropy};
use wire::Timestamp;

/// What every handler is given.
pub(crate) async fn api() -> Api {
    let client = Engine::memory().unwrap().client();
    let store = Store::new(client, Tables::default(), telemetry::Meter::default());
    store.create_tables().await.unwrap();
    Api {
        store,
        clock: Clock::manual(Timestamp::from_millis(1_700_000_000_000)),
        entropy: Entropy::seeded(1),
        environment: Environment::Test,
        name: "hybrid-ci",
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// The routes of each function.
pub(crate) fn functions(api: &Api) -> [(&'static str, Routes); 3] {
    [
        ("queue", queue::routes(api.clone())),
        ("agents", agents::routes(api.clone())),
        ("dashboard", dashboard::routes(api.clone())),
    ]
}

/// The routes of all functions.
pub(crate) fn routes(api: &Api) -> Routes {
    let none = Routes::new(api.clone());
    functions(api)
        .into_iter()
        .fold(none, |all, (_, routes)| all.merge(routes))
}
