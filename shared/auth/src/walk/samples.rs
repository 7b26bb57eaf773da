//! What a walk is given.

use serde_json::Value;
use std::collections::BTreeMap;

/// What the walk cannot make up: things that exist, and bodies that are valid.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    things: BTreeMap<String, (String, String)>,
    bodies: BTreeMap<(String, String), Value>,
}

impl Samples {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A thing: for every path that begins with `path`, which ends in its one parameter (`/api/queue/jobs/{id}`), the
    /// name of one that the first tenant has, and a well-formed name that nobody has.
    pub fn thing(mut self, path: &str, existing: &str, unknown: &str) -> Self {
        self.things
            .insert(path.to_owned(), (existing.to_owned(), unknown.to_owned()));
        self
    }

    /// A valid body of an operation. Without one, `{}` is sent to operations that take a body.
    pub fn body(mut self, method: &str, path: &str, body: Value) -> Self {
        self.bodies
            .insert((method.to_owned(), path.to_owned()), body);
        self
    }

    pub(super) fn thing_for(&self, path: &str) -> Option<&(String, String)> {
        self.things
            .iter()
            .filter(|(prefix, _)| {
                path.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, thing)| thing)
    }

    pub(super) fn body_of(&self, method: &str, path: &str) -> Value {
        let sample = self.bodies.get(&(method.to_owned(), path.to_owned()));
        let nothing = || Value::Object(serde_json::Map::new());
        sample.cloned().unwrap_or_else(nothing)
    }
}
