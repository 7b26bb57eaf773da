//! A request and what was answered, as they are recorded.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Texts by the names that requests know them by.
pub(super) type Known = BTreeMap<String, String>;

/// A request. `{{name}}` in it stands for a text that an earlier answer gave.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Call {
    /// How much later it is made than the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) after_seconds: i64,
    /// The method, or [`MAINTAIN`].
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    /// What to remember of the answer: a pointer into its body, or `cookie:<name>`, or `location:<parameter>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) save: BTreeMap<String, String>,
}

/// Not a request, but a pass of maintenance.
pub(super) const MAINTAIN: &str = "MAINTAIN";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The cookies that it set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) cookies: BTreeSet<String>,
    /// The body; lines of JSON as an array; null for none.
    pub(super) body: Value,
}

impl Call {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// As whoever that token is of.
    pub(super) fn by(self, name: &str) -> Self {
        self.header("authorization", &format!("Bearer {{{{{name}}}}}"))
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("content-type", "application/json")
    }

    pub(super) fn after(mut self, seconds: i64) -> Self {
        self.after_seconds = seconds;
        self
    }

    pub(super) fn save(mut self, name: &str, place: &str) -> Self {
        self.save.insert(name.to_owned(), place.to_owned());
        self
    }

    /// The same, with everything in it that is known.
    pub(super) fn with(&self, known: &Known) -> Self {
        let mut call = self.clone();
        call.path = fill(&call.path, known);
        call.body = call.body.map(|body| fill(&body, known));
        for value in call.headers.values_mut() {
            *value = fill(value, known);
        }
        call
    }
}

fn fill(text: &str, known: &Known) -> String {
    let mut filled = text.to_owned();
    for (name, value) in known {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    filled
}

/// Where two answers to one request differ, made by processes that drew other random numbers: pointers into them. What is
/// opaque, and another version may make otherwise, is among them.
pub(super) fn random_places(one: &Value, other: &Value) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    note_random(one, other, "", &mut places);
    places
}

fn note_random(one: &Value, other: &Value, at: &str, places: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            assert_eq!(one.len(), other.len(), "{at}");
            for (name, value) in one {
                let at = format!("{at}/{name}");
                match (name.as_str(), value) {
                    ("next_cursor", Value::String(_)) => {
                        places.insert(at);
                    }
                    _ => note_random(value, &other[name], &at, places),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len(), "{at}");
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                note_random(one, other, &format!("{at}/{place}"), places);
            }
        }
        _ if one == other => {}
        _ => {
            assert_eq!(type_of(one), type_of(other), "{at}");
            places.insert(at.to_owned());
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What a problem tells people, in words that may change.
const WORDING: [&str; 3] = ["detail", "instance", "title"];

/// Where an answer has less than was recorded, or something else. It may have more, and something else of its type where
/// it is random.
pub(super) fn differences(
    (recorded, random): (&Value, &BTreeSet<String>),
    answered: &Value,
    at: &str,
) -> Vec<String> {
    let below = |name: &str, value: &Value, answered: &Value| {
        differences((value, random), answered, &format!("{at}/{name}"))
    };
    match (recorded, answered) {
        (Value::Object(recorded), Value::Object(answered)) => {
            let is_problem = recorded.contains_key("code") && recorded.contains_key("title");
            let compared = recorded
                .iter()
                .filter(|(name, _)| !(is_problem && WORDING.contains(&name.as_str())));
            compared
                .flat_map(|(name, value)| match answered.get(name) {
                    Some(answered) if is_problem && name == "errors" => {
                        below(name, &pointers(value), &pointers(answered))
                    }
                    Some(answered) => below(name, value, answered),
                    None => vec![format!("{at}/{name} is missing")],
                })
                .collect()
        }
        // What somebody may do grows with what there is to be done.
        (Value::Array(recorded), Value::Array(answered)) if at.ends_with("/scopes") => {
            let lost = recorded.iter().filter(|scope| !answered.contains(scope));
            lost.map(|scope| format!("{at} has not got {scope}"))
                .collect()
        }
        (Value::Array(recorded), Value::Array(answered)) if recorded.len() == answered.len() => {
            let pairs = recorded.iter().zip(answered).enumerate();
            pairs
                .flat_map(|(place, (one, other))| below(&place.to_string(), one, other))
                .collect()
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => Vec::new(),
        _ if recorded == answered => Vec::new(),
        _ if random.contains(at) && type_of(recorded) == type_of(answered) => Vec::new(),
        _ => vec![format!("{at} was {recorded} and is {answered}")],
    }
}

/// Where faults are, without what is said of them.
fn pointers(faults: &Value) -> Value {
    let faults = faults.as_array().unwrap().iter();
    faults.map(|fault| fault["pointer"].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_may_have_more_than_was_recorded_and_nothing_less_or_else() {
        let recorded = json!({ "job": { "id": "a", "tags": [1, 2], "at": null } });
        let random = BTreeSet::from(["/job/id".to_owned()]);
        let found = |answered: Value| differences((&recorded, &random), &answered, "");
        let good =
            json!({ "job": { "id": "b", "tags": [1, 2.0], "at": null, "new": 1 }, "new": 2 });
        assert!(found(good).is_empty());
        for (bad, where_it_is) in [
            (
                json!({ "job": { "id": 1, "tags": [1, 2], "at": null } }),
                "/job/id was",
            ),
            (
                json!({ "job": { "id": "b", "tags": [1], "at": null } }),
                "/job/tags was",
            ),
            (
                json!({ "job": { "id": "b", "tags": [1, 3], "at": null } }),
                "/job/tags/1 was",
            ),
            (
                json!({ "job": { "id": "b", "tags": [1, 2] } }),
                "/job/at is missing",
            ),
            (
                json!({ "job": { "id": "b", "tags": [1, 2], "at": "x" } }),
                "/job/at was",
            ),
            (json!([]), " was"),
        ] {
            let found = found(bad);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(where_it_is), "{found:?}");
        }
    }

    #[test]
    fn what_somebody_may_do_may_grow_and_not_shrink() {
        let none = BTreeSet::new();
        let recorded = json!({ "scopes": ["jobs:read", "jobs:write"] });
        let found = |answered| differences((&recorded, &none), &answered, "");
        assert!(found(json!({ "scopes": ["jobs:read", "new", "jobs:write"] })).is_empty());
        let less = found(json!({ "scopes": ["jobs:write", "new"] }));
        assert_eq!(less, [r#"/scopes has not got "jobs:read""#]);
    }

    #[test]
    fn a_problem_may_be_worded_otherwise_and_is_the_same_for_programs() {
        let problem = |code: &str, detail: &str, pointer: &str| json!({ "code": code, "title": detail, "detail": detail, "errors": [{ "pointer": pointer, "detail": detail }] });
        let none = BTreeSet::new();
        let recorded = problem("invalid_request", "was", "/a");
        let found = |answered| differences((&recorded, &none), &answered, "");
        assert!(found(problem("invalid_request", "is", "/a")).is_empty());
        assert_eq!(found(problem("invalid_request", "is", "/b")).len(), 1);
        assert_eq!(found(problem("malformed_json", "is", "/a")).len(), 1);
    }

    #[test]
    fn what_is_random_is_found_by_two_answers() {
        let one = json!({ "id": "a", "same": [1, { "secret": "x" }], "next_cursor": "c" });
        let other = json!({ "id": "b", "same": [1, { "secret": "y" }], "next_cursor": "c" });
        let random: Vec<_> = random_places(&one, &other).into_iter().collect();
        assert_eq!(random, ["/id", "/next_cursor", "/same/1/secret"]);
    }
}
