//! Every attribute that items have, and which of them nothing is said of.

use super::kinds::{Kind, all, is_everywhere};
use crate::compat::{Items, pattern};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A key as the items of a kind have it, from how it is shown.
fn shown_pattern(key: &str) -> String {
    let mut shown = String::new();
    let mut within = false;
    for character in key.chars() {
        match character {
            '<' => within = true,
            '>' => {
                within = false;
                shown.push('_');
            }
            other if !within => shown.push(other),
            _ => {}
        }
    }
    pattern(&shown)
}

/// The kind of an item.
fn kind_of(table: &str, item: &Map<String, Value>) -> Option<&'static Kind> {
    let text = |name: &str| item.get(name).and_then(|value| value["S"].as_str());
    let (pk, sk) = (pattern(text("pk")?), pattern(text("sk")?));
    let word = text("kind").unwrap_or_default();
    all().into_iter().find(|kind| {
        kind.table == table
            && shown_pattern(kind.pk) == pk
            && shown_pattern(kind.sk) == sk
            && (kind.words.is_empty() || kind.words.contains(&word))
    })
}

/// What was seen: entries of kinds, and what has none.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Names of kinds with paths of their entries.
    pub(super) entries: BTreeSet<(&'static str, &'static str)>,
    /// Names of kinds of which there was an item.
    pub(super) kinds: BTreeSet<&'static str>,
    pub(super) unknown: BTreeSet<String>,
}

impl Seen {
    pub(super) fn of(items: &Items) -> Self {
        let mut seen = Self::default();
        seen.add(items);
        seen
    }

    pub(super) fn add(&mut self, items: &Items) {
        for (table, rows) in items {
            for item in rows {
                let item = item.as_object().unwrap();
                let Some(kind) = kind_of(table, item) else {
                    let (pk, sk) = (item["pk"]["S"].as_str(), item["sk"]["S"].as_str());
                    let (pk, sk) = (pattern(pk.unwrap()), pattern(sk.unwrap()));
                    let what = format!("{table}: nothing is said of items {pk} {sk}");
                    self.unknown.insert(what);
                    continue;
                };
                self.kinds.insert(kind.name);
                for (name, value) in item {
                    if !is_everywhere(name) {
                        self.attribute(kind, name, &plain(value));
                    }
                }
            }
        }
    }

    /// An attribute, or what is within it.
    fn attribute(&mut self, kind: &'static Kind, path: &str, value: &Value) {
        match value {
            Value::Array(values) => {
                for value in values {
                    self.attribute(kind, path, value);
                }
            }
            Value::Object(members) => {
                let any = format!("{path}.*");
                let takes_any = kind.entry(&any).is_some() || kind.has_within(&any);
                for (name, value) in members {
                    let within = if takes_any {
                        any.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.attribute(kind, &within, value);
                }
            }
            Value::String(text) if kind.json.contains(&path) => {
                let value = serde_json::from_str(text).unwrap();
                assert!(matches!(value, Value::Object(_)), "{path}: {value}");
                self.attribute(kind, path, &value);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                if let Some(entry) = kind.entry(path) {
                    self.entries.insert((kind.name, entry));
                } else {
                    let (table, name) = (kind.table, kind.name);
                    let what = format!("{table}, {name}: nothing is said of `{path}`");
                    self.unknown.insert(what);
                }
            }
        }
    }
}

/// A value without DynamoDB's marks of types.
fn plain(value: &Value) -> Value {
    let (mark, value) = value.as_object().unwrap().iter().next().unwrap();
    match mark.as_str() {
        "M" => {
            let members = value.as_object().unwrap().iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), plain(value)))
                    .collect(),
            )
        }
        "L" => value.as_array().unwrap().iter().map(plain).collect(),
        _ => value.clone(),
    }
}
