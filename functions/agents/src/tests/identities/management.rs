//! What agents register with is made, shown once, listed, replaced, taken away.

use super::*;
use crate::tests::pointers;
use embedded_dynamodb::Fault;
use store::{Store, Tables};
use telemetry::Meter;

const RULES: &str = "/api/agents/trust-rules";

fn github(name: &str) -> Value {
    json!({
        "name": name, "pool_name": "linux", "issuer": "https://token.actions.githubusercontent.com",
        "claims": { "repository_id": "1", "repository_owner_id": "2" }
    })
}

async fn world() -> World {
    World::with(identities(Network::public())).await
}

#[tokio::test]
async fn a_secret_is_shown_once_and_nowhere_else() {
    let world = world().await;
    let user = world.enroller().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    let hmac = json!({ "name": "n", "pool_name": "linux", "algorithm": "HMAC_SHA256" });
    for (path, body, secret, thing, list) in [
        ("/api/agents/keys", &named, "agent_key", "key", "keys"),
        (
            "/api/agents/enrolment-tokens",
            &named,
            "enrolment_token",
            "enrolment",
            "enrolment_tokens",
        ),
        (
            "/api/agents/signing-keys",
            &hmac,
            "secret_key",
            "signing_key",
            "signing_keys",
        ),
    ] {
        let made = world.create(path, body.clone()).await;
        let shown = made[secret].as_str().unwrap();
        let (status, listed) = world.call(Method::GET, path, &user, Value::Null).await;
        assert_eq!(status, 200);
        assert_eq!(listed["next_cursor"], Value::Null);
        let found = listed[list].as_array().unwrap();
        assert!(found.contains(&made[thing]), "{listed}");
        // The public part of a token stands in it; what follows is the secret.
        let hidden = shown.get(24..).unwrap_or(shown);
        let everything = format!("{listed}{:?}", world.dump().await);
        assert!(!everything.contains(hidden), "{path}");
        let one = format!("{path}/{}", made[thing]["key_id"].as_str().unwrap());
        for _ in 0..2 {
            assert_eq!(world.delete(&one).await, 204);
        }
        let (_, listed) = world.call(Method::GET, path, &user, Value::Null).await;
        assert!(!listed[list].as_array().unwrap().contains(&made[thing]));
    }
}

#[tokio::test]
async fn nothing_is_taken_away_by_the_path_of_something_else() {
    let world = world().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    let hmac = json!({ "name": "n", "pool_name": "linux", "algorithm": "HMAC_SHA256" });
    let id = |made: &Value, thing: &str| made[thing]["key_id"].as_str().unwrap().to_owned();
    let own = [
        (
            "keys",
            id(
                &world.create("/api/agents/keys", named.clone()).await,
                "key",
            ),
        ),
        (
            "enrolment-tokens",
            id(
                &world.create("/api/agents/enrolment-tokens", named).await,
                "enrolment",
            ),
        ),
        (
            "signing-keys",
            id(
                &world.create("/api/agents/signing-keys", hmac).await,
                "signing_key",
            ),
        ),
        (
            "trust-rules",
            id(&world.create(RULES, github("g")).await, "trust_rule"),
        ),
    ];
    let token = world.user.get(18..30).unwrap().to_owned();
    let before = world.dump().await;
    for (path, of) in &own {
        for (other, id) in &own {
            if path != other {
                let path = format!("/api/agents/{path}/{id}");
                assert_eq!(world.delete(&path).await, 404, "{path} of {of}");
            }
        }
        for unknown in [token.as_str(), "nobodyknowsx", "x", "KEYKEYKEYKEY"] {
            let path = format!("/api/agents/{path}/{unknown}");
            assert_eq!(world.delete(&path).await, 404, "{path}");
        }
    }
    // Each deletion is by a token of its own.
    let left = world.dump().await;
    assert!(before.iter().all(|(key, item)| left.get(key) == Some(item)));
    let stranger = tenant(&world, "globex").await;
    let stranger = user_with(&world.api, &stranger, &[Scope::AgentsEnrol]).await;
    for (path, id) in &own {
        let one = format!("/api/agents/{path}/{id}");
        let (status, _) = world
            .call(Method::DELETE, &one, &stranger, Value::Null)
            .await;
        assert_eq!(status, 404, "{one}");
        let all = format!("/api/agents/{path}");
        let (_, listed) = world.call(Method::GET, &all, &stranger, Value::Null).await;
        let lists = listed.as_object().unwrap().values();
        assert!(
            lists
                .into_iter()
                .all(|list| list.as_array().is_none_or(Vec::is_empty))
        );
    }
}

#[tokio::test]
async fn a_key_is_rotated_once_and_at_once_if_it_has_to_be() {
    let world = world().await;
    let user = world.enroller().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    for (overlap, old_status) in [
        (json!({}), "HEALTHY"),
        (json!({ "overlap_seconds": 0 }), "TERMINATED"),
    ] {
        let made = world.create("/api/agents/keys", named.clone()).await;
        let agent = world.register_by(made["agent_key"].as_str().unwrap()).await;
        let bearer = agent.bearer();
        let path = format!(
            "/api/agents/keys/{}/rotate",
            made["key"]["key_id"].as_str().unwrap()
        );
        let rotate = || world.call(Method::POST, &path, &user, overlap.clone());
        let (status, rotated) = rotate().await;
        assert_eq!(status, 201, "{rotated}");
        assert_eq!(rotated["key"]["name"], "n");
        let new = rotated["agent_key"].as_str().unwrap();
        world.register_by(new).await.bearer();
        assert_eq!(world.status(agent.agent()).await, old_status);
        let beat = world.beat(agent.agent(), &bearer, 1.0).await.0;
        assert_eq!(beat, if old_status == "HEALTHY" { 200 } else { 401 });
        let (status, again) = rotate().await;
        assert_eq!(
            (status, again["code"].as_str()),
            (409, Some("illegal_transition"))
        );
    }
    let path = "/api/agents/keys/nobodyknowsx/rotate";
    let (status, _) = world.call(Method::POST, path, &user, json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn both_keys_of_a_rotation_are_good_for_longer_than_a_process_remembers_the_old_one() {
    let world = world().await;
    let user = world.enroller().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    let made = world.create("/api/agents/keys", named).await;
    let path = format!(
        "/api/agents/keys/{}/rotate",
        made["key"]["key_id"].as_str().unwrap()
    );
    let rotate = |seconds: u32| {
        let body = json!({ "overlap_seconds": seconds });
        world.call(Method::POST, &path, &user, body)
    };
    let before = world.dump().await;
    for seconds in [1, 299, 86_401] {
        let (status, answer) = rotate(seconds).await;
        let expected = (400, vec!["/overlap_seconds"]);
        assert_eq!((status, pointers(&answer)), expected, "{seconds}");
    }
    assert_eq!(world.dump().await, before);
    // This process remembers the key and that it is good for a year.
    let old = made["agent_key"].as_str().unwrap();
    world.register_by(old).await.bearer();
    assert_eq!(rotate(300).await.0, 201);
    world.api.clock.advance_seconds(300);
    assert_eq!(world.register_by(old).await, world.refusal().await);
}

#[tokio::test]
async fn a_rotation_at_once_that_could_not_end_the_old_key_says_so() {
    let world = world().await;
    let user = world.enroller().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    let made = world.create("/api/agents/keys", named).await;
    let agent = world.register_by(made["agent_key"].as_str().unwrap()).await;
    agent.bearer();
    let old = made["key"]["key_id"].as_str().unwrap();
    let client = world.engine.client_with(|call| match call.operation {
        "UpdateItem" if call.table == Some("credentials") => Fault::DropBefore,
        _ => Fault::None,
    });
    let api = auth::Api {
        store: Store::new(client, Tables::default(), Meter::default()),
        ..world.api.clone()
    };
    let flaky = web::app(crate::routes(api, super::super::nobody()).into_parts().0);
    let path = format!("/api/agents/keys/{old}/rotate");
    let at_once = json!({ "overlap_seconds": 0 });
    let rotated = super::super::call(&flaky, Method::POST, &path, &user, at_once).await;
    assert_eq!(rotated.0, 503, "{}", rotated.1);
    let (_, listed) = world
        .call(Method::GET, "/api/agents/keys", &user, Value::Null)
        .await;
    let mut keys = listed["keys"].as_array().unwrap().iter();
    let successor = keys.find_map(|key| key["rotated_to"].as_str());
    let new = successor.unwrap();
    let detail = rotated.1["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("revoke {old}, then rotate {new}")));

    assert_eq!(world.delete(&format!("/api/agents/keys/{old}")).await, 204);
    assert_eq!(world.status(agent.agent()).await, "TERMINATED");
    let path = format!("/api/agents/keys/{new}/rotate");
    let (status, shown) = world.call(Method::POST, &path, &user, Value::Null).await;
    assert_eq!(status, 201, "{shown}");
    let key = shown["agent_key"].as_str().unwrap();
    world.register_by(key).await.bearer();
}

#[tokio::test]
async fn a_rule_is_made_once_under_its_name_and_listed_by_it() {
    let world = world().await;
    let user = world.enroller().await;
    for name in ["b", "a", "c"] {
        world.create(RULES, github(name)).await;
    }
    let (status, again) = world.call(Method::POST, RULES, &user, github("a")).await;
    assert_eq!(status, 200, "{again}");
    let mut other = github("a");
    other["pool_name"] = json!("macos");
    let (status, answer) = world.call(Method::POST, RULES, &user, other).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (409, Some("already_exists"))
    );
    let (mut names, mut path) = (Vec::new(), format!("{RULES}?limit=2"));
    loop {
        let (_, page) = world.call(Method::GET, &path, &user, Value::Null).await;
        for rule in page["trust_rules"].as_array().unwrap() {
            names.push(rule["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{RULES}?limit=2&cursor={next}");
    }
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_rule_that_would_let_strangers_in_or_lead_us_astray_is_refused() {
    let world = world().await;
    let user = world.enroller().await;
    let with = |field: &str, value: Value| {
        let mut rule = github("r");
        rule[field] = value;
        rule
    };
    let before = world.dump().await;
    for (rule, expected) in [
        (with("claims", json!({})), vec!["/claims", "/claims"]),
        (
            with("claims", json!({ "repository_id": "1" })),
            vec!["/claims"],
        ),
        (
            with(
                "claims",
                json!({ "repository_id": "1", "repository_owner_id": { "prefix": "2" } }),
            ),
            vec!["/claims"],
        ),
        (
            with(
                "claims",
                json!({ "repository_id": "1", "repository_owner_id": "2", "sub": "repo:a/b" }),
            ),
            vec!["/claims/sub"],
        ),
        (
            with("claims", json!({ "repository_id": "" })),
            vec!["/claims/repository_id"],
        ),
        (with("claims", json!({ "a b": "1" })), vec!["/claims/a b"]),
        (
            with("claims", json!({ "ref": { "suffix": "x" } })),
            vec!["/claims/ref/suffix"],
        ),
        (with("name", json!("x".repeat(65))), vec!["/name"]),
        (with("pool_name", json!("A B")), vec!["/pool_name"]),
        (
            with("expires_in_seconds", json!(1)),
            vec!["/expires_in_seconds"],
        ),
    ] {
        let (status, answer) = world.call(Method::POST, RULES, &user, rule.clone()).await;
        assert_eq!(
            (status, pointers(&answer)),
            (400, expected),
            "{rule} {answer}"
        );
    }
    for issuer in [
        "http://issuer.example.com",
        "https://127.0.0.1",
        "https://localhost/x",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://user@issuer.example.com",
        "https://issuer.example.com:8443",
        "https://issuer.example.com/?a=b",
        "ftp://issuer.example.com",
        "issuer.example.com",
    ] {
        let rule = json!({ "name": "r", "pool_name": "linux", "issuer": issuer, "claims": { "sub": "x" } });
        let (status, answer) = world.call(Method::POST, RULES, &user, rule).await;
        assert_eq!(
            (status, pointers(&answer)),
            (400, vec!["/issuer"]),
            "{issuer}"
        );
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn what_is_made_and_taken_away_is_on_the_record() {
    let world = world().await;
    let named = json!({ "name": "n", "pool_name": "linux" });
    let made = world.create("/api/agents/enrolment-tokens", named).await;
    let token = made["enrolment_token"].as_str().unwrap();
    world.register_by(token).await.bearer();
    world.register_by(token).await;
    let rule = world.create(RULES, github("g")).await;
    let path = format!("{RULES}/{}", rule["trust_rule"]["key_id"].as_str().unwrap());
    let key = json!({ "name": "k", "pool_name": "linux" });
    let key = world.create("/api/agents/keys", key).await;
    let key = format!(
        "/api/agents/keys/{}",
        key["key"]["key_id"].as_str().unwrap()
    );
    for path in [&path, &key] {
        for _ in 0..3 {
            assert_eq!(world.delete(path).await, 204);
            world.api.clock.advance_seconds(1);
        }
    }
    let tenant = world.api.store.tenant(&world.scope);
    // Maintenance records the registration.
    let later = world.api.now().plus_seconds(61);
    let random = || world.api.entropy.bytes();
    tenant.complete_stale_intents(later, random).await.unwrap();
    let export = tenant.audit_export(1, 100, 1_000_000).await.unwrap();
    let text = export.lines;
    let actions = [
        "enrolment.create",
        "agent.register",
        "trust_rule.create",
        "trust_rule.delete",
        "agent_key.create",
        "agent_key.revoke",
    ];
    for action in actions {
        let count = text.matches(&format!("\"action\":\"{action}\"")).count();
        assert_eq!(count, 1, "{action} in {text}");
    }
    let key_id = made["enrolment"]["key_id"].as_str().unwrap();
    assert!(text.contains(&format!("key:{key_id}")), "{text}");
    assert!(!text.contains(token));
}
