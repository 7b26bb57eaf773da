//! Heartbeats and registrations, proven by what they write and not by a read.

use super::{World, heartbeat, registration};
use auth::Token;
use axum::Router;
use http::Method;
use serde_json::Value;
use store::{AgentFilter, Revocation, Store, Tables};
use telemetry::Meter;

impl World {
    fn read_units(&self) -> f64 {
        self.api.store.meter().total().read_units
    }

    /// Revokes the agents' key, in another process: this one's memory is not told of it.
    async fn revoke_key_elsewhere(&self) {
        let client = self.engine.client();
        let store = Store::new(client, Tables::default(), Meter::default());
        let bearer = self.key.trim_start_matches("Bearer ");
        let key = Token::parse(self.api.environment, bearer).unwrap();
        let tenant = store.tenant(&self.scope);
        let revoked = tenant
            .revoke_credential(&key.key_id, "test", self.api.now(), || {
                self.api.entropy.bytes()
            })
            .await
            .unwrap();
        assert_eq!(revoked, Revocation::Revoked);
    }

    async fn count_agents(&self) -> usize {
        let tenant = self.api.store.tenant(&self.scope);
        let filter = AgentFilter::default();
        let page = tenant.agents(&filter, 100, None, self.api.now()).await;
        page.unwrap().agents.len()
    }
}

#[tokio::test]
async fn a_heartbeat_to_the_process_that_heard_the_last_one_reads_nothing() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    world.beat(&id, &bearer, 1.0).await;
    let before = world.read_units();
    for _ in 0..5 {
        world.api.clock.advance_seconds(10);
        assert_eq!(world.beat(&id, &bearer, 1.0).await.0, 200);
    }
    assert!((world.read_units() - before).abs() < f64::EPSILON);
    // After five minutes the session is verified anew, with one eventually consistent read of two items.
    world.api.clock.advance_seconds(300);
    assert_eq!(world.beat(&id, &bearer, 1.0).await.0, 200);
    assert!((world.read_units() - before - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn another_registration_with_a_key_that_was_just_verified_reads_nothing() {
    let world = World::new().await;
    // The first creates the pool, the second reads it.
    for _ in 0..2 {
        world.register().await;
    }
    let before = world.read_units();
    world.register().await;
    assert!((world.read_units() - before).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_heartbeat_does_not_undo_what_another_process_wrote() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    world.beat(&id, &bearer, 1.0).await;
    let elsewhere = elsewhere(&world);
    let path = format!("/api/agents/{id}/status");
    let body = serde_json::json!({ "status": "DRAINING" });
    let (status, _) = super::call(&elsewhere, Method::PATCH, &path, &world.user, body).await;
    assert_eq!(status, 200);
    let (status, answer) = world.beat(&id, &bearer, 1.0).await;
    assert_eq!((status, answer["directive"].as_str()), (200, Some("DRAIN")));
}

fn elsewhere(world: &World) -> Router {
    let store = Store::new(world.engine.client(), Tables::default(), Meter::default());
    let api = auth::Api {
        store,
        ..world.api.clone()
    };
    web::app(crate::routes(api, super::nobody()).into_parts().0)
}

#[tokio::test]
async fn a_key_revoked_elsewhere_ends_its_agents_and_lets_no_other_register() {
    let world = World::new().await;
    let (id, bearer) = world.register().await;
    let (silent, _) = world.register().await;
    assert_eq!(world.beat(&id, &bearer, 1.0).await.0, 200);
    world.revoke_key_elsewhere().await;

    for agent in [&id, &silent] {
        assert_eq!(world.status(agent).await, "TERMINATED");
    }
    let (status, answer) = world.beat(&id, &bearer, 1.0).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (401, Some("unauthenticated"))
    );
    let (status, answer) = world
        .call(
            Method::POST,
            "/api/agents/register",
            &world.key,
            registration(),
        )
        .await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (401, Some("unauthenticated"))
    );
    assert_eq!(world.count_agents().await, 2, "nobody was registered");
    let path = format!("/api/agents/{id}/heartbeat");
    let cold = elsewhere(&world);
    let (status, _) = super::call(&cold, Method::POST, &path, &bearer, heartbeat(1.0)).await;
    assert_eq!(status, 401);
    let (status, _) = world
        .call(
            Method::GET,
            &format!("/api/agents/{id}"),
            &bearer,
            Value::Null,
        )
        .await;
    assert_eq!(status, 401);
}
