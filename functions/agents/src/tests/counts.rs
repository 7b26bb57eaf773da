//! How many agents a pool has.

use super::World;
use serde_json::{Value, json};
use wire::AgentId;

async fn counts(world: &World) -> Value {
    let (status, answer) = world.user_gets("/api/agents/pools/linux").await;
    assert_eq!(status, 200, "{answer}");
    let (_, list) = world.user_gets("/api/agents/pools").await;
    assert_eq!(list["pools"][0]["agents"], answer["pool"]["agents"]);
    answer["pool"]["agents"].clone()
}

#[tokio::test]
async fn a_pool_counts_its_lost_agents_as_offline_for_a_day() {
    let world = World::new().await;
    let (lost, bearer) = world.register().await;
    let (left, own) = world.register().await;
    world.api.clock.advance_seconds(30);
    let mut expected =
        json!({ "healthy": 2, "degraded": 0, "draining": 0, "paused": 0, "offline": 0 });
    assert_eq!(counts(&world).await, expected, "nobody has swept");
    let (api, tenant) = (&world.api, world.api.store.tenant(&world.scope));
    for id in [&lost, &left] {
        let id = AgentId::parse(id).unwrap();
        tenant
            .sweep_agent(&id, api.now(), &api.write_id())
            .await
            .unwrap();
    }
    expected["healthy"] = json!(0);
    expected["offline"] = json!(2);
    assert_eq!(counts(&world).await, expected);
    let (_, offline) = world.user_gets("/api/agents?status=OFFLINE").await;
    assert_eq!(offline["agents"].as_array().unwrap().len(), 2);

    let path = format!("/api/agents/{left}/deregister");
    let (status, _) = world
        .call(http::Method::POST, &path, &own, Value::Null)
        .await;
    assert_eq!(status, 200);
    expected["offline"] = json!(1);
    assert_eq!(counts(&world).await, expected);
    let (_, terminated) = world.user_gets("/api/agents?status=TERMINATED").await;
    assert_eq!(terminated["agents"][0]["agent_id"], json!(left));

    world.beat(&lost, &bearer, 1.0).await;
    expected["offline"] = json!(0);
    expected["healthy"] = json!(1);
    assert_eq!(counts(&world).await, expected, "it came back");
    let id = AgentId::parse(&lost).unwrap();
    world.api.clock.advance_seconds(30);
    tenant
        .sweep_agent(&id, api.now(), &api.write_id())
        .await
        .unwrap();
    world.api.clock.advance_seconds(24 * 3600 - 1);
    expected["healthy"] = json!(0);
    expected["offline"] = json!(1);
    assert_eq!(counts(&world).await, expected);
    world.api.clock.advance_seconds(1);
    expected["offline"] = json!(0);
    assert_eq!(counts(&world).await, expected);
    let (_, listed) = world.user_gets("/api/agents").await;
    assert_eq!(listed["agents"], json!([]));
}
