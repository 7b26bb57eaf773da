//! Routing rules are read, replaced, and tried.

use super::*;
use serde_json::json;

fn rules(branch: &str) -> Value {
    json!({ "tools": { "github": [
        {
            "name": "main is built",
            "when": { "event": "PUSH", "branch": branch },
            "then": { "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "linux" },
        },
        { "when": { "event": "PUSH" }, "then": { "action": "NOTIFY", "target": "chat" } },
    ] } })
}

async fn put(world: &World, id: &str, if_match: Option<&str>, body: Value) -> Answer {
    let path = format!("PUT /api/relays/{id}/routing");
    let headers: Vec<_> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
    world.call_with(&world.admin, &path, body, &headers).await
}

#[tokio::test]
async fn rules_are_replaced_over_the_version_that_was_read() {
    let world = World::new().await;
    let (id, _) = world.register(request()).await;
    let path = format!("GET /api/relays/{id}/routing");
    let none = world.admin(&path, Value::Null).await;
    assert_eq!((none.status, &none.body["version"]), (200, &json!(0)));
    assert_eq!(none.headers["etag"], "\"0\"");
    let first = put(&world, &id, None, rules("main")).await;
    assert_eq!((first.status, &first.body["version"]), (200, &json!(1)));
    assert_eq!(first.headers["etag"], "\"1\"");
    let again = put(&world, &id, None, rules("main")).await;
    assert_eq!(
        (again.status, &again.body),
        (200, &first.body),
        "answer lost"
    );
    let blind = put(&world, &id, None, rules("release/*")).await;
    assert_eq!(blind.problem(), (428, "precondition_required"));
    let second = put(&world, &id, Some("\"1\""), rules("release/*")).await;
    assert_eq!((second.status, &second.body["version"]), (200, &json!(2)));
    let again = put(&world, &id, Some("\"1\""), rules("release/*")).await;
    assert_eq!(
        (again.status, again.body),
        (200, second.body),
        "answer lost"
    );
    let stale = put(&world, &id, Some("\"1\""), rules("main")).await;
    assert_eq!(stale.problem(), (412, "precondition_failed"));
    let ahead = put(&world, &id, Some("\"3\""), rules("main")).await;
    assert_eq!(ahead.problem(), (412, "precondition_failed"));
    for bad in ["*", "2", "W/\"2\"", "\"1\", \"2\""] {
        let answer = put(&world, &id, Some(bad), rules("main")).await;
        assert_eq!(answer.pointers(), ["/header/If-Match"], "{bad}");
    }
    let there = world.admin(&path, Value::Null).await;
    assert_eq!(there.body["routing"], rules("release/*"));
    let theirs = world.call(&world.stranger, &path, Value::Null).await;
    assert_eq!(theirs.problem(), (404, "not_found"));
}

#[tokio::test]
async fn of_two_who_replace_the_same_rules_one_is_told_to_read_again() {
    let world = World::new().await;
    let (id, _) = world.register(request()).await;
    put(&world, &id, None, rules("main")).await;
    let (one, other) = tokio::join!(
        put(&world, &id, Some("\"1\""), rules("one")),
        put(&world, &id, Some("\"1\""), rules("other")),
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[tokio::test]
async fn rules_that_cannot_be_used_are_refused_with_every_fault() {
    let world = World::new().await;
    let (id, _) = world.register(request()).await;
    let mut bad = rules("[main");
    bad["tools"]["github"][1]["when"] = json!({ "any": [] });
    let answer = put(&world, &id, None, bad).await;
    assert_eq!(
        answer.pointers(),
        ["/tools/github/0/when/branch", "/tools/github/1/when/any"]
    );
    let mut typo = rules("main");
    typo["tools"]["github"][0]["when"]["brnch"] = json!("main");
    let answer = put(&world, &id, None, typo).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.pointers()[0].starts_with("/tools/github/0/when"),
        "{}",
        answer.body
    );
    let (id, _) = world.register(without_role()).await;
    let answer = put(&world, &id, None, rules("main")).await;
    assert_eq!(answer.pointers(), ["/tools/github/1/then/action"]);
    let unknown = put(
        &world,
        "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
        None,
        rules("main"),
    )
    .await;
    assert_eq!(unknown.problem(), (404, "not_found"));
}

#[tokio::test]
async fn a_dry_run_says_which_rule_is_for_an_event_and_why_the_others_are_not() {
    let world = World::new().await;
    let (id, _) = world.register(request()).await;
    put(&world, &id, None, rules("main")).await;
    let path = format!("POST /api/relays/{id}/routing/test");
    let event = json!({ "tool": "github", "event": "PUSH", "branch": "feature" });
    let answer = world.admin(&path, json!({ "event": event })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["routing_version"], 1);
    assert_eq!(answer.body["matched"]["rule"], 1);
    assert_eq!(answer.body["matched"]["then"]["target"], "chat");
    assert_eq!(answer.text("/rules/0/outcome"), "MISMATCHED");
    assert_eq!(answer.text("/rules/0/pointer"), "/when/branch");
    assert_eq!(answer.text("/rules/0/name"), "main is built");
    assert_eq!(answer.text("/rules/1/outcome"), "MATCHED");
    // Rules that are not in use yet.
    let body = json!({ "event": event, "routing": rules("feature") });
    let answer = world.admin(&path, body).await;
    assert_eq!(answer.body["routing_version"], Value::Null);
    assert_eq!(answer.body["matched"]["name"], "main is built");
    assert_eq!(answer.text("/rules/1/outcome"), "NOT_REACHED");
    let other = json!({ "event": { "tool": "gitlab", "event": "PUSH" } });
    let answer = world.admin(&path, other).await;
    assert_eq!(
        (&answer.body["matched"], &answer.body["rules"]),
        (&Value::Null, &json!([]))
    );
    let body = json!({ "event": event, "routing": rules("{a") });
    let answer = world.admin(&path, body).await;
    assert_eq!(answer.pointers(), ["/routing/tools/github/0/when/branch"]);
    let body = json!({ "event": { "tool": "github", "event": "PUSH", "message": "x" } });
    assert_eq!(
        world.admin(&path, body).await.pointers(),
        ["/event/message"]
    );
    let path = format!("GET /api/relays/{id}/routing");
    let there = world.admin(&path, Value::Null).await;
    assert_eq!(there.body["version"], 1, "nothing was changed");
}
