//! Tokens that are brought more than once.

use super::*;
use store::{Store, Tables};
use telemetry::Meter;

#[tokio::test]
async fn a_token_that_is_brought_again_writes_nothing_and_uses_up_no_limit() {
    let key = SigningKey::es256("k");
    let (world, issuer) = world_with_issuer(ISSUER, &key).await;
    trust(&world, tags()).await;
    let mut api = world.api.clone();
    (api.limits.agent_requests, api.limits.agents) = (2, 2);
    api.store = Store::new(world.engine.client(), Tables::default(), Meter::default());
    let meter = api.store.meter().clone();
    let identities = identities(issuer.network());
    let app = web::app(crate::routes(api, identities).into_parts().0);
    let world = World { app, ..world };
    let number = |number: u8| key.token(&with(&[("jti", json!(format!("{number}")))]));
    world.register_by(&number(1)).await.bearer();
    let (refusal, written) = (world.refusal().await, meter.total().write_units);
    for _ in 0..5 {
        assert_eq!(world.register_by(&number(1)).await, refusal);
    }
    assert!((meter.total().write_units - written).abs() < f64::EPSILON);
    world.register_by(&number(2)).await.bearer();
    // Whoever is refused for the limit and asks again is refused with no more reads than it takes to verify them.
    let mut reads = Vec::new();
    for _ in 0..2 {
        let before = meter.total().read_units;
        assert_eq!(world.register_by(&number(3)).await.status, 429);
        reads.push(meter.total().read_units - before);
    }
    assert!(reads[1] < reads[0], "{reads:?}");
}
