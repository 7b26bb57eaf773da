//! Enrolment tokens.

use super::*;
use embedded_dynamodb::Fault;
use store::{Store, Tables};
use telemetry::Meter;

async fn enrolment(world: &World) -> (String, String) {
    let body = json!({ "name": "one", "pool_name": "linux" });
    let made = world.create("/api/agents/enrolment-tokens", body).await;
    let token = made["enrolment_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("hcp_test_e_"), "{token}");
    let key_id = made["enrolment"]["key_id"].as_str().unwrap().to_owned();
    (token, key_id)
}

#[tokio::test]
async fn an_enrolment_token_registers_one_agent_which_lives_on_by_its_heartbeats() {
    let world = World::new().await;
    let (token, _) = enrolment(&world).await;
    let first = world.register_by(&token).await;
    let bearer = first.bearer();
    let before = world.dump().await;
    assert_eq!(world.register_by(&token).await, world.refusal().await);
    assert_eq!(world.dump().await, before);
    for _ in 0..9 {
        world.api.clock.advance_seconds(20 * 60);
        assert_eq!(world.beat(first.agent(), &bearer, 1.0).await.0, 200);
    }
}

#[tokio::test]
async fn of_two_agents_that_bring_one_token_at_the_same_moment_one_is_registered() {
    let world = World::new().await;
    let (token, _) = enrolment(&world).await;
    let (one, other) = tokio::join!(world.register_by(&token), world.register_by(&token));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
    let (_, agents) = world.user_gets("/api/agents").await;
    assert_eq!(agents["agents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_registration_that_is_refused_in_the_end_gives_its_room_back() {
    let mut world = World::new().await;
    world.api.limits.agents = 2;
    let routes = crate::routes(world.api.clone(), super::super::nobody());
    world.app = web::app(routes.into_parts().0);
    let (one, _) = enrolment(&world).await;
    let (other, _) = enrolment(&world).await;
    let key = world.key.trim_start_matches("Bearer ").to_owned();
    world.register_by(&key).await.bearer();
    // Here the key is remembered as good: that it is not is found when there is room, by the write.
    let elsewhere = Store::new(world.engine.client(), Tables::default(), Meter::default());
    let presented = auth::Token::parse(world.api.environment, &key).unwrap();
    let revoked = elsewhere
        .tenant(&world.scope)
        .revoke_credential(&presented.key_id, "test", NOW, || world.api.entropy.bytes())
        .await;
    revoked.unwrap();
    for _ in 0..3 {
        assert_eq!(world.register_by(&key).await.status, 401);
    }
    world.register_by(&one).await.bearer();
    assert_eq!(world.register_by(&other).await.status, 429);
}

#[tokio::test]
async fn a_token_for_another_pool_is_not_used_up() {
    let world = World::new().await;
    let (token, _) = enrolment(&world).await;
    let bearer = format!("Bearer {token}");
    let before = world.dump().await;
    let other = world
        .send(&[("authorization", &bearer)], &pool("other"))
        .await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (403, &json!("wrong_principal"))
    );
    let invalid = world
        .send(
            &[("authorization", &bearer)],
            &json!({ "pool_name": "linux" }),
        )
        .await;
    assert_eq!(invalid.status, 400);
    assert_eq!(world.dump().await, before);
    world.register_by(&token).await.bearer();
}

#[tokio::test]
async fn a_token_that_is_over_or_revoked_or_for_something_else_registers_nobody() {
    let world = World::new().await;
    let refusal = world.refusal().await;
    let (late, _) = enrolment(&world).await;
    let (revoked, key_id) = enrolment(&world).await;
    let (other, _) = enrolment(&world).await;
    let path = format!("/api/agents/enrolment-tokens/{key_id}");
    assert_eq!(world.delete(&path).await, 204);
    assert_eq!(world.register_by(&revoked).await, refusal);
    let bearer = format!("Bearer {other}");
    for path in ["/api/agents", "/api/agents/pools", "/api/agents/keys"] {
        let (status, _) = world.call(Method::GET, path, &bearer, Value::Null).await;
        assert_eq!(status, 401, "{path}");
    }
    world.api.clock.advance_seconds(3600);
    let before = world.dump().await;
    assert_eq!(world.register_by(&late).await, refusal);
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn revoking_a_token_ends_the_agent_that_had_registered_with_it() {
    let world = World::new().await;
    let (token, key_id) = enrolment(&world).await;
    let agent = world.register_by(&token).await;
    let bearer = agent.bearer();
    assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 200);
    let path = format!("/api/agents/enrolment-tokens/{key_id}");
    for _ in 0..2 {
        assert_eq!(world.delete(&path).await, 204);
    }
    assert_eq!(world.beat(agent.agent(), &bearer, 1.0).await.0, 401);
    assert_eq!(world.status(agent.agent()).await, "TERMINATED");
}

#[tokio::test]
async fn a_token_whose_answer_was_lost_is_used_up() {
    let world = World::new().await;
    let (token, _) = enrolment(&world).await;
    let client = world.engine.client_with(|call| match call.operation {
        "TransactWriteItems" if call.table == Some("credentials") => Fault::DropAfter,
        _ => Fault::None,
    });
    let api = auth::Api {
        store: Store::new(client, Tables::default(), Meter::default()),
        ..world.api.clone()
    };
    let flaky = web::app(crate::routes(api, super::super::nobody()).into_parts().0);
    let bearer = format!("Bearer {token}");
    let body = registration();
    let (status, _) = super::super::call(&flaky, Method::POST, REGISTER, &bearer, body).await;
    assert_eq!(status, 503);
    assert_eq!(world.register_by(&token).await, world.refusal().await);
}
