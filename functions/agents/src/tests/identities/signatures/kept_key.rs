//! The key that HMAC keys are encrypted with, kept in a Secrets Manager.

use super::*;
use auth::Api;
use axum::Router;
use secrets::testing::{FakeSecretsManager, Mood};

const OTHER_DATA_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn kept(manager: &FakeSecretsManager) -> Identities {
    let identities = Identities::read(&|name| match name {
        "HMAC_KEY_ENCRYPTION_KEY_ARN" => Some(FakeSecretsManager::arn("hmac")),
        name => manager.variable(name),
    });
    identities.unwrap()
}

async fn world(manager: &FakeSecretsManager) -> World {
    World::with(kept(manager)).await
}

/// Another process of the same function, which has read nothing yet.
fn another(world: &World, manager: &FakeSecretsManager) -> World {
    let api: Api = world.api.clone();
    let app: Router = web::app(crate::routes(api.clone(), kept(manager)).into_parts().0);
    World {
        engine: world.engine.clone(),
        app,
        api,
        scope: world.scope.clone(),
        user: world.user.clone(),
        key: world.key.clone(),
    }
}

/// A draft at the time that it is now.
fn draft_now(world: &World, nonce: &str) -> Draft {
    Draft {
        timestamp: (world.api.now().as_millis() / 1000).to_string(),
        ..draft(nonce)
    }
}

#[tokio::test]
async fn the_data_key_is_read_when_an_hmac_key_is_first_made_or_used() {
    let manager = FakeSecretsManager::start().await;
    manager.put("hmac", &format!("{DATA_KEY}\n"));
    let world = world(&manager).await;
    let own = signing_key(&world, false, 5).await;
    register(&world, &own, &draft(NONCE)).await.bearer();
    assert!(manager.requests().is_empty(), "a public key needs none");
    let key = signing_key(&world, true, 0).await;
    register(&world, &key, &draft(NONCE)).await.bearer();
    assert_eq!(manager.requests().len(), 1);
    let fresh = another(&world, &manager);
    register(&fresh, &key, &draft("another-nonce-001"))
        .await
        .bearer();
    assert_eq!(manager.requests().len(), 2);
    for dump in world.dump().await.values() {
        assert!(!dump.contains(DATA_KEY));
    }
}

#[tokio::test]
async fn without_the_data_key_nothing_is_made_and_nothing_is_used_up() {
    let manager = FakeSecretsManager::start().await;
    manager.put("hmac", DATA_KEY);
    let world = world(&manager).await;
    let key = signing_key(&world, true, 0).await;
    manager.delete("hmac");
    let fresh = another(&world, &manager);
    let user = world.enroller().await;
    let before = world.dump().await;
    let body = json!({ "name": "h", "pool_name": "linux", "algorithm": "HMAC_SHA256" });
    let (status, answer) = fresh.call(Method::POST, KEYS, &user, body).await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("busy")));
    let refused = register(&fresh, &key, &draft(NONCE)).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("busy"))
    );
    assert_eq!(refused.headers["retry-after"], "10");
    assert_eq!(world.dump().await, before);
    // Whoever signs with a key of their own does not notice.
    let own = signing_key(&fresh, false, 5).await;
    register(&fresh, &own, &draft(NONCE)).await.bearer();
    manager.put("hmac", DATA_KEY);
    world.api.clock.advance_seconds(10);
    // The very request that was put off.
    register(&fresh, &key, &draft(NONCE)).await.bearer();
}

#[tokio::test]
async fn a_process_that_does_not_know_a_newer_data_key_yet_looks_for_it() {
    let manager = FakeSecretsManager::start().await;
    manager.put("hmac", DATA_KEY);
    let world = world(&manager).await;
    let older = signing_key(&world, true, 0).await;
    manager.put("hmac", &format!("{OTHER_DATA_KEY},{DATA_KEY}"));
    let fresh = another(&world, &manager);
    let newer = signing_key(&fresh, true, 0).await;
    world.api.clock.advance_seconds(10);
    register(&world, &newer, &draft(NONCE)).await.bearer();
    assert_eq!(manager.requests().len(), 3);
    register(&world, &older, &draft(NONCE)).await.bearer();
    register(&fresh, &older, &draft("another-nonce-001"))
        .await
        .bearer();
    // The one before is taken out: what it encrypted is refused, and does not open for anybody who asks often.
    manager.put("hmac", OTHER_DATA_KEY);
    world.api.clock.advance_seconds(300);
    let refusal = world.refusal().await;
    for nonce in ["another-nonce-002", "another-nonce-003"] {
        let late = draft_now(&world, nonce);
        assert_eq!(register(&world, &older, &late).await.body, refusal.body);
    }
    register(&world, &newer, &draft_now(&world, "another-nonce-004"))
        .await
        .bearer();
    assert_eq!(manager.requests().len(), 4);
}

#[tokio::test]
async fn agents_go_on_signing_while_the_data_key_cannot_be_read() {
    let manager = FakeSecretsManager::start().await;
    manager.put("hmac", DATA_KEY);
    let world = world(&manager).await;
    let key = signing_key(&world, true, 0).await;
    manager.set_mood(Mood::Denies);
    world.api.clock.advance_seconds(300);
    let late = draft_now(&world, NONCE);
    register(&world, &key, &late).await.bearer();
    // A new version that is no key does not take the place of one that is.
    manager.set_mood(Mood::Answers);
    manager.put("hmac", "half a key");
    world.api.clock.advance_seconds(300);
    let later = draft_now(&world, "another-nonce-001");
    register(&world, &key, &later).await.bearer();
    assert_eq!(manager.requests().len(), 3);
}

#[test]
fn the_data_key_is_given_or_named_and_not_both() {
    let read = |variables: &[(&str, &str)]| {
        Identities::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let arn = FakeSecretsManager::arn("hmac");
    let named = ("HMAC_KEY_ENCRYPTION_KEY_ARN", arn.as_str());
    let given = ("HMAC_KEY_ENCRYPTION_KEY", DATA_KEY);
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let shown = format!("{:?}", read(&[keys[0], keys[1], named]).unwrap());
    assert!(shown.contains("secret:hmac"), "{shown}");
    let shown = format!("{:?}", read(&[given]).unwrap());
    assert!(!shown.contains(DATA_KEY), "{shown}");
    for (variables, fault) in [
        (
            vec![keys[0], keys[1], named, given],
            "HMAC_KEY_ENCRYPTION_KEY and HMAC_KEY_ENCRYPTION_KEY_ARN are both there",
        ),
        (
            vec![keys[0], keys[1], ("HMAC_KEY_ENCRYPTION_KEY_ARN", DATA_KEY)],
            "HMAC_KEY_ENCRYPTION_KEY_ARN must be the ARN",
        ),
        (
            vec![("HMAC_KEY_ENCRYPTION_KEY", "AQEB")],
            "HMAC_KEY_ENCRYPTION_KEY must be 32 bytes",
        ),
    ] {
        let faults = read(&variables).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(fault), "{faults:?}");
        assert!(!faults[0].contains(DATA_KEY));
    }
}
