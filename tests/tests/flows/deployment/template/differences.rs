//! How two JSON values differ, in words.

use serde_json::{Map, Value};

/// Every difference, with its place. Lists are compared as they are, in their order.
pub(super) fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    collect("", (expected, found), &mut all);
    all
}

fn collect(place: &str, both: (&Value, &Value), all: &mut Vec<String>) {
    match both {
        (Value::Object(expected), Value::Object(found)) => maps(place, (expected, found), all),
        (Value::Array(expected), Value::Array(found)) => lists(place, (expected, found), all),
        (expected, found) if expected != found => {
            all.push(format!("{place} is {found} and should be {expected}"));
        }
        _ => {}
    }
}

fn maps(
    place: &str,
    (expected, found): (&Map<String, Value>, &Map<String, Value>),
    all: &mut Vec<String>,
) {
    for (name, value) in expected {
        let place = format!("{place}/{name}");
        match found.get(name) {
            Some(found) => collect(&place, (value, found), all),
            None => all.push(format!("{place} is missing")),
        }
    }
    let more = found.keys().filter(|name| !expected.contains_key(*name));
    all.extend(more.map(|name| format!("{place}/{name} is too much")));
}

/// Lists of texts are sets: what is missing and what is too much says more than a place in them.
fn lists(place: &str, (expected, found): (&[Value], &[Value]), all: &mut Vec<String>) {
    let texts = expected.iter().chain(found).all(Value::is_string);
    if texts || expected.len() != found.len() {
        let missing = expected.iter().filter(|value| !found.contains(value));
        all.extend(missing.map(|value| format!("{place} lacks {value}")));
        let more = found.iter().filter(|value| !expected.contains(value));
        all.extend(more.map(|value| format!("{place} has {value} too much")));
        return;
    }
    for (number, both) in expected.iter().zip(found).enumerate() {
        collect(&format!("{place}/{number}"), both, all);
    }
}
