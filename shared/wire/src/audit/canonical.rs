//! The hash of a thing as callers see it: over its JSON in one spelling.

use crate::Sha256Hex;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The SHA-256 of a view's canonical JSON: the names of every object in the order of their bytes, nothing between the
/// tokens, numbers and texts as in the API's answers. None if the view is no JSON, which none of ours is.
pub fn digest_of(view: &impl Serialize) -> Option<Sha256Hex> {
    let value = serde_json::to_value(view).ok()?;
    let text = serde_json::to_vec(&Sorted::of(&value)).ok()?;
    Some(Sha256Hex::from_digest(Sha256::digest(text).into()))
}

/// JSON whose objects are sorted, whichever map the JSON library was built with.
#[derive(Serialize)]
#[serde(untagged)]
enum Sorted<'a> {
    Object(BTreeMap<&'a str, Sorted<'a>>),
    Array(Vec<Sorted<'a>>),
    Plain(&'a Value),
}

impl<'a> Sorted<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Object(members) => {
                let members = members.iter();
                Self::Object(
                    members
                        .map(|(name, value)| (name.as_str(), Self::of(value)))
                        .collect(),
                )
            }
            Value::Array(values) => Self::Array(values.iter().map(Self::of).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::Plain(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_names_does_not_matter_and_everything_else_does() {
        let one = r#"{"b":[{"d":1,"c":2.5}],"a":null}"#;
        let two = r#"{ "a": null, "b": [ {"c": 2.5, "d": 1} ] }"#;
        let of = |text: &str| digest_of(&serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(of(one), of(two));
        let expected = Sha256::digest(r#"{"a":null,"b":[{"c":2.5,"d":1}]}"#);
        assert_eq!(of(one), Some(Sha256Hex::from_digest(expected.into())));
        for other in [json!({"a": 1}), json!({"a": "1"}), json!([1]), json!({})] {
            assert_ne!(digest_of(&other), of(one));
            assert_ne!(digest_of(&other), digest_of(&json!({"a": 2})));
        }
    }
}
