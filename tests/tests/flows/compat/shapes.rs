//! What the items of a kind have in common: what older functions rely on when they read what newer ones have written.

use super::items::Items;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An attribute of items of one kind.
#[derive(Debug, Default)]
struct Attribute {
    types: BTreeSet<String>,
    /// How many items have it.
    count: usize,
}

/// The items of one kind.
#[derive(Debug, Default)]
struct Shape {
    count: usize,
    attributes: BTreeMap<String, Attribute>,
}

/// A part of a key that is the same for all items of a kind.
fn is_fixed(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A key without what is different in each item.
pub(crate) fn pattern(key: &str) -> String {
    let parts = key.split('#');
    let parts: Vec<_> = parts
        .map(|part| if is_fixed(part) { part } else { "_" })
        .collect();
    parts.join("#")
}

/// What kind of item it is: by its table and keys, and what it says of itself.
fn kind(table: &str, item: &Value) -> String {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default();
    let (pk, sk) = (pattern(text("pk")), pattern(text("sk")));
    let (kind, status) = (text("kind"), text("status"));
    format!("{table} {pk} {sk} {kind}{status}")
}

fn shapes(items: &Items) -> BTreeMap<String, Shape> {
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for (table, rows) in items {
        for item in rows {
            let shape = shapes.entry(kind(table, item)).or_default();
            shape.count += 1;
            for (name, value) in item.as_object().unwrap() {
                let attribute = shape.attributes.entry(name.clone()).or_default();
                attribute.count += 1;
                attribute
                    .types
                    .extend(value.as_object().unwrap().keys().cloned());
            }
        }
    }
    shapes
}

/// Why an older version could not read what a newer one writes: an attribute that each item of a kind had is missing, or one
/// is of another type. There may be more attributes, and more kinds.
pub(super) fn unreadable(older: &Items, newer: &Items) -> Vec<String> {
    let newer = shapes(newer);
    let mut found = Vec::new();
    for (kind, old) in shapes(older) {
        let Some(new) = newer.get(&kind) else {
            found.push(format!("{kind}: nothing of that kind is written any more"));
            continue;
        };
        for (name, before) in &old.attributes {
            let was_always_there = before.count == old.count;
            match new.attributes.get(name) {
                None if was_always_there => found.push(format!("{kind}: {name} is gone")),
                Some(now) if was_always_there && now.count < new.count => {
                    found.push(format!("{kind}: {name} may be missing"));
                }
                Some(now) if !now.types.is_subset(&before.types) => {
                    let (was, is) = (&before.types, &now.types);
                    found.push(format!("{kind}: {name} was {was:?} and is {is:?}"));
                }
                None | Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_older_version_relies_on_is_there_and_of_its_type() {
        let of =
            |items: Value| Items::from([("jobs".to_owned(), items.as_array().unwrap().clone())]);
        let item = |more: Value| {
            let mut item = json!({ "pk": { "S": "T#acme#J#job-1" }, "sk": { "S": "J" }, "attempt": { "N": "1" } });
            for (name, value) in more.as_object().unwrap() {
                item[name] = value.clone();
            }
            item
        };
        let older = of(json!([
            item(json!({})),
            item(json!({ "holder": { "S": "a" } }))
        ]));
        let more = of(json!([item(json!({ "new": { "S": "x" } }))]));
        assert!(unreadable(&older, &more).is_empty());
        let mut gone = item(json!({}));
        gone.as_object_mut().unwrap().remove("attempt");
        let status = item(json!({ "status": { "S": "HELD" } }));
        for (newer, what) in [
            (json!([gone]), "attempt is gone"),
            (json!([gone, item(json!({}))]), "attempt may be missing"),
            (
                json!([item(json!({ "attempt": { "S": "1" } }))]),
                "attempt was",
            ),
            (
                json!([item(json!({ "holder": { "N": "1" } }))]),
                "holder was",
            ),
            (json!([status]), "nothing of that kind"),
        ] {
            let found = unreadable(&older, &of(newer));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(what), "{found:?}");
        }
    }
}
