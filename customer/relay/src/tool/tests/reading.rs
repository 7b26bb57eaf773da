//! What a tool file makes of a delivery: the text of a field, and the event.

use super::with_branch;
use crate::journal::Ignored;
use crate::tool::{Broken, Delivery, Field, parse};
use serde_json::{Value, json};
use wire::EventKind;

#[test]
fn a_field_is_one_text_or_none() {
    let one = |value: Value| read(Field::Branch, "{ path: $.ref }", &value);
    assert_eq!(one(json!("main")), Ok(Some("main".to_owned())));
    assert_eq!(one(json!(7)), Ok(Some("7".to_owned())));
    assert_eq!(one(json!(false)), Ok(Some("false".to_owned())));
    assert_eq!(one(json!(null)), Ok(None));
    assert_eq!(one(json!("")), Ok(None));
    for broken in [
        json!({}),
        json!([]),
        json!(["main"]),
        json!("x".repeat(1025)),
    ] {
        assert_eq!(one(broken.clone()), Err(Broken), "{broken}");
    }
    // A path may find one of many, but not many: nobody could say which is meant.
    let each = |value: Value| read(Field::Branch, "{ path: '$.ref[*]' }", &value);
    assert_eq!(each(json!(["main"])), Ok(Some("main".to_owned())));
    assert_eq!(each(json!([])), Ok(None));
    assert_eq!(each(json!(["main", "main"])), Err(Broken));
}

/// Each kind of credential, as it is issued.
const CREDENTIALS: [&str; 14] = [
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghu_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghr_16C7e42F292c6912E7710c838347Ae178B4a",
    "glptt-0123456789ABCDEF0123456789abcdef01234567",
    "glrt-Q7m2Zk9Xv4Bt6Ny8Rc3W",
    "xoxa-2-Q7m2Zk9Xv4Bt",
    "hvs.CvmS4c0DPTvHv5eJgXWMJg9r",
    "AIzaQ7m2Zk9Xv4Bt6Ny8Rc3Wd5Q7m2Zk9Xv4Bt6",
    "npm_Q7m2Zk9Xv4Bt6Ny8Rc3Wd5Q7m2Zk9Xv4Bt6N",
    "pypi-AgEIcHlwaS5vcmcCJDNlNjEzMzZhLWI0YzctNDEyZS04ZjE3",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
];

/// What becomes of a field that is mapped so, of a delivery that says this.
fn read(field: Field, mapping: &str, value: &Value) -> Result<Option<String>, Broken> {
    let file = with_branch(mapping).replace("branch", field.name());
    let tool = parse("t.yaml", &file).unwrap();
    let delivery = Delivery {
        headers: &http::HeaderMap::new(),
        body: &json!({ "ref": value }),
    };
    let event = &tool.events[1];
    event.mapping(&tool, field).unwrap().read(&delivery)
}

#[test]
fn a_credential_is_one_before_it_is_changed() {
    for credential in CREDENTIALS {
        for field in Field::ALL.iter().copied() {
            for (mapping, value) in [
                ("{ path: $.ref }", credential.to_owned()),
                ("{ path: $.ref, lower: true }", credential.to_owned()),
                (
                    "{ path: $.ref, strip_prefix: x, lower: true }",
                    format!("x{credential}"),
                ),
                (
                    "{ path: $.ref, strip_prefix: a/, lower: true }",
                    format!("a/{credential}"),
                ),
                (
                    "{ path: $.ref, lower: true, words: { a: b } }",
                    credential.to_owned(),
                ),
            ] {
                let outcome = read(field, mapping, &json!(value));
                let what = field.name();
                assert_eq!(outcome, Err(Broken), "{what} {mapping} {value}");
            }
        }
        let address = format!("git.example.com/a/{credential}");
        let outcome = read(
            Field::GitRepo,
            "{ path: $.ref, clone_url: true }",
            &json!(address),
        );
        assert_eq!(outcome, Err(Broken), "{address}");
    }
    let ordinary = read(
        Field::Branch,
        "{ path: $.ref, lower: true }",
        &json!("NPM_update"),
    );
    assert_eq!(ordinary, Ok(Some("npm_update".to_owned())));
}

#[test]
fn a_credential_is_one_after_it_is_changed() {
    let lower = "{ path: $.ref, lower: true }";
    let name = json!("AsiaPacificCluster23");
    assert_eq!(read(Field::Branch, lower, &name), Err(Broken));
    let kept = read(Field::Branch, "{ path: $.ref }", &name);
    assert_eq!(kept, Ok(Some("AsiaPacificCluster23".to_owned())));
}

/// Whatever a word becomes would be refused with every event that has it.
#[test]
fn a_word_that_looks_like_a_credential_is_a_fault_that_does_not_repeat_it() {
    for credential in ["npm_q7m2zk9xv4bt6ny8rc3wd5q7m2zk9xv4bt6n", "ghp_x"] {
        let mapping = format!("{{ path: $.ref, words: {{ a: b, c: {credential} }} }}");
        let faults = parse("t.yaml", &with_branch(&mapping)).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(
            faults[0].to_string(),
            "t.yaml:11: events[1].map.branch: words: one of them looks like a credential"
        );
    }
}

#[test]
fn what_is_no_event_says_why() {
    const TOOL: &str = "version: 1\ntool: t\nverify: { method: github }\nselect: { header: X-Event }\nevents:\n  - values: [push]\n    \
                        when: [{ path: $.a, one_of: [x] }, { path: '$.b[*]', prefix: y }]\n    event: PUSH\n  - values: [ping]\n    \
                        ignore: true\n";
    let tool = parse("t.yaml", TOOL).unwrap();
    let event_of = |header: Option<&[u8]>, body: Value| {
        let mut headers = http::HeaderMap::new();
        if let Some(header) = header {
            headers.insert("x-event", http::HeaderValue::from_bytes(header).unwrap());
        }
        let delivery = Delivery {
            headers: &headers,
            body: &body,
        };
        tool.event_of(&delivery).map(|event| event.kind)
    };
    let push = |body: Value| event_of(Some(b"push"), body);
    assert_eq!(
        push(json!({ "a": "x", "b": ["yes"] })),
        Ok(Some(EventKind::Push))
    );
    assert_eq!(event_of(Some(b"ping"), json!({})), Ok(None));
    assert_eq!(event_of(None, json!({})), Err(Ignored::NoEvent));
    assert_eq!(event_of(Some(b""), json!({})), Err(Ignored::NoEvent));
    assert_eq!(event_of(Some(b"\xff"), json!({})), Err(Ignored::Unreadable));
    let unknown = event_of(Some(b"party"), json!({}));
    assert_eq!(unknown, Err(Ignored::UnknownEvent));
    for (body, why) in [
        (json!({}), Ignored::ConditionsUnmet),
        (json!({ "a": "z", "b": ["yes"] }), Ignored::ConditionsUnmet),
        (json!({ "a": "x", "b": [] }), Ignored::ConditionsUnmet),
        (json!({ "a": ["x"], "b": ["yes"] }), Ignored::Unreadable),
        (json!({ "a": "x", "b": ["yes", "no"] }), Ignored::Unreadable),
    ] {
        assert_eq!(push(body.clone()), Err(why), "{body}");
    }
}
