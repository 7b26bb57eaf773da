//! The control plane's routes on a store in memory, with a clock that stands still.

use auth::{Api, Identities, KeyEncryption, Routes};
use auth_function::SignIn;
use embedded_dynamodb::Engine;
use oidc::Network;
use relays::RoleGuard;
use store::{Store, Tables};
use web::Clock;
use wire::Timestamp;

/// What every handler is given.
pub(crate) async fn api() -> Api {
    let client = Engine::memory().unwrap().client();
    let store = Store::new(client, Tables::default(), telemetry::Meter::default());
    store.create_tables().await.unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
    Api {
        name: "hybrid-ci",
        version: env!("CARGO_PKG_VERSION"),
        ..Api::testing(store, clock)
    }
}

/// No issuers but those of the Internet, which no test calls, and keys for HMAC signatures.
fn identities() -> Identities {
    let data_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    Identities::new(Network::public(), KeyEncryption::parse(data_key).unwrap())
}

/// The routes of each function.
pub(crate) fn functions(api: &Api) -> [(&'static str, Routes); 5] {
    [
        ("queue", queue::routes(api.clone())),
        ("agents", agents::routes(api.clone(), identities())),
        ("auth", auth_function::routes(api.clone(), SignIn::none())),
        ("dashboard", dashboard::routes(api.clone())),
        ("relays", relays::routes(api.clone(), RoleGuard::off())),
    ]
}

/// The routes of all functions.
pub(crate) fn routes(api: &Api) -> Routes {
    let none = Routes::new(api.clone());
    functions(api)
        .into_iter()
        .fold(none, |all, (_, routes)| all.merge(routes))
}
