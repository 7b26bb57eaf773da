use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::relay::MAX_RULES;

fn event(more: &Value) -> EventMetadata {
    let mut event = json!({
        "event_id": "evt-01JAB3Z5K8Q4V6W7X9Y0ZABCDE", "tool": "github", "event": "PUSH",
        "repository": "example/shop", "branch": "main", "author": "octocat",
        "commit_sha": "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3",
        "received_at": "2025-01-01T00:00:00.000Z", "body_bytes": 10,
        "commitment": {"algorithm": "SHA256", "digest": "ab".repeat(32)},
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

/// A document with these conditions, each of a rule that notifies its own place.
fn document(conditions: &[Value]) -> RoutingDocument {
    let rules: Vec<_> = conditions
        .iter()
        .enumerate()
        .map(|(place, when)| {
            let target = format!("rule-{place}");
            json!({"when": when, "then": {"action": "NOTIFY", "target": target}})
        })
        .collect();
    serde_json::from_value(json!({"tools": {"github": rules}})).unwrap()
}

fn holds(when: &Value, event: &EventMetadata) -> bool {
    let document = document(std::slice::from_ref(when));
    assert_eq!(check(&document), [], "{when}");
    decide(&document, event).is_some()
}

#[test]
fn a_condition_holds_if_each_of_its_fields_does() {
    let push = event(&json!({"path_classes": ["docs", "source"], "status": "success"}));
    for when in [
        json!({}),
        json!({"event": "push"}),
        json!({"branch": "main", "repository": "example/*"}),
        json!({"repository": "**"}),
        json!({"repository": "example/{shop,cart}"}),
        json!({"branch": "ma[hi]n", "author": "octo???"}),
        json!({"path_class": "source"}),
        json!({"all": [{"branch": "main"}, {"status": "s*"}]}),
        json!({"any": [{"branch": "other"}, {"status": "success"}]}),
        json!({"not": {"branch": "release/*"}}),
        json!({"not": {"tag": "*"}}),
    ] {
        assert!(holds(&when, &push), "{when}");
    }
    for when in [
        json!({"event": "TAG"}),
        json!({"branch": "main", "repository": "other/*"}),
        json!({"repository": "*"}),
        json!({"branch": "mai"}),
        json!({"branch": "Main"}),
        json!({"tag": "*"}),
        json!({"path_class": "infrastructure"}),
        json!({"all": [{"branch": "main"}, {"status": "failure"}]}),
        json!({"any": [{"branch": "other"}, {"status": "failure"}]}),
        json!({"not": {"branch": "m*"}}),
    ] {
        assert!(!holds(&when, &push), "{when}");
    }
}

#[test]
fn the_first_rule_that_holds_is_applied_and_a_dry_run_says_why_not_the_others() {
    let document = document(&[
        json!({"branch": "release/*"}),
        json!({"any": [{"tag": "*"}, {"not": {"event": "PUSH"}}]}),
        json!({"all": [{"event": "PUSH"}, {"path_class": "docs"}]}),
        json!({"repository": "example/*"}),
        json!({}),
    ]);
    let push = event(&json!({"path_classes": ["source"]}));
    let found = decide(&document, &push).unwrap();
    assert_eq!(found.rule, 3);
    assert!(
        matches!(found.action, RoutingAction::Notify { target } if target.as_str() == "rule-3")
    );
    let mismatched = |pointer: &str, reason: &str| Explanation::Mismatched {
        pointer: pointer.to_owned(),
        reason: reason.to_owned(),
    };
    assert_eq!(
        explain(&document, &push),
        [
            mismatched("/when/branch", "wants `release/*`, not `main`"),
            mismatched("/when/any", "none of the 2 holds"),
            mismatched(
                "/when/all/1/path_class",
                "wants `docs`, and the event has source"
            ),
            Explanation::Matched,
            Explanation::NotReached,
        ]
    );
}

#[test]
fn rules_are_of_one_tool() {
    let document = document(&[json!({})]);
    let other = event(&json!({"tool": "gitlab"}));
    assert_eq!(decide(&document, &other), None);
    assert_eq!(explain(&document, &other), []);
}

#[test]
fn everything_that_is_wrong_with_a_document_is_said_with_its_place() {
    let mut deep = json!({});
    for _ in 0..MAX_DEPTH {
        deep = json!({ "not": deep });
    }
    let wide: Vec<_> = (0..MAX_NODES).map(|_| json!({})).collect();
    let with_faults = document(&[
        json!({"branch": "main["}),
        json!({"any": []}),
        json!({"all": [{"tag": "v{1,2"}, {"author": "a}"}]}),
        deep,
        json!({ "all": wide }),
        json!({"repository": "!example/*"}),
        json!({"repository": "a\\b"}),
        json!({"repository": "{a,{b,c}}"}),
    ]);
    let faults: Vec<_> = check(&with_faults)
        .into_iter()
        .map(|fault| fault.pointer)
        .collect();
    assert_eq!(
        faults,
        [
            "/tools/github/0/when/branch",
            "/tools/github/1/when/any",
            "/tools/github/2/when/all/0/tag",
            "/tools/github/2/when/all/1/author",
            "/tools/github/3/when/not/not/not/not/not",
            "/tools/github/4/when",
            "/tools/github/5/when/repository",
            "/tools/github/6/when/repository",
            "/tools/github/7/when/repository",
        ]
    );
    let many: Vec<_> = (0..=MAX_RULES).map(|_| json!({})).collect();
    let faults = check(&document(&many));
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].pointer, "/tools/github");
}

proptest! {
    #[test]
    fn a_condition_or_its_opposite_holds(branch in "[a-k]{1,8}(/[a-k]{1,8}){0,2}", pattern in "[a-k/*?]{1,8}") {
        let event = event(&json!({ "branch": branch }));
        let when = json!({ "branch": pattern });
        let opposite = json!({ "not": when });
        prop_assert_ne!(holds(&when, &event), holds(&opposite, &event));
    }

    #[test]
    fn what_is_decided_is_what_is_explained(patterns in proptest::collection::vec("[main*?]{1,4}", 0..6)) {
        let rules: Vec<_> = patterns.iter().map(|pattern| json!({"branch": pattern})).collect();
        let document = document(&rules);
        let push = event(&json!({}));
        let explained = explain(&document, &push);
        let matched = explained.iter().position(|what| *what == Explanation::Matched);
        prop_assert_eq!(decide(&document, &push).map(|found| found.rule), matched);
    }
}
