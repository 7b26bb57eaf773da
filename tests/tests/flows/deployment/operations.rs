//! Whether everything that the store can do was done while calls were recorded: a permission that no call has asked for
//! would be missing on AWS.
//!
//! Whatever the store does is counted by the name of its operation, and the names stand in the sources as texts.

use super::functions::Functions;
use crate::harness::project_root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Where operations are named.
const SOURCES: &str = "shared/store/src";

/// Texts that look like the name of an operation, and why no function performs it.
const OTHERS: [(&str, &str); 15] = [
    (
        "add_agent",
        "for tests: functions add an agent in the transaction of its registration",
    ),
    ("create_agent_session", "for tests, as `add_agent`"),
    (
        "create_tables",
        "for `local` and tests: on AWS the templates do it",
    ),
    (
        "ensure_organisation",
        "for `local` and tests: people's organisations are made as they sign in",
    ),
    ("change_people", "names an error in making a request"),
    ("end_invitation", "names an error in making a request"),
    ("put_agent", "names an error in making an item"),
    ("put_deployment", "names an error in making an item"),
    ("put_job", "names an error in making an item"),
    ("put_pool", "names an error in making an item"),
    ("put_service", "names an error in making an item"),
    ("created_by", "an attribute"),
    ("current_key", "an attribute"),
    ("exit_code", "an attribute"),
    ("write_id", "an attribute"),
];

/// The operations of the store that no function has performed although it might.
pub(super) fn not_performed(functions: &Functions) -> BTreeSet<String> {
    let meters = functions
        .all
        .iter()
        .map(|function| function.meter.snapshot());
    let performed: BTreeSet<_> = meters.flat_map(BTreeMap::into_keys).collect();
    let mut named = BTreeSet::new();
    collect(&project_root().join(SOURCES), &mut named);
    for (other, why) in OTHERS {
        assert!(named.remove(other), "{other} ({why}) is not in the sources");
        assert!(!performed.contains(other), "{other} is performed: {why}?");
    }
    named.retain(|name| !performed.contains(name.as_str()));
    named
}

fn collect(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Tests and what they are made of name operations that nobody else performs; tables have attributes.
        let of_tests = ["tests", "tests.rs", "testing.rs", "schema.rs"];
        if of_tests.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else {
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.extend(names_in(source));
        }
    }
}

/// The constants, and the texts that are the first of several arguments.
fn names_in(source: &str) -> Vec<String> {
    let texts: Vec<&str> = source.split('"').collect();
    let found = texts.windows(3).filter_map(|window| {
        let [before, text, after] = window else {
            return None;
        };
        let is_constant = before.ends_with(": &str = ") && after.starts_with(';');
        let is_argument = before.trim_end().ends_with('(') && after.starts_with(',');
        let is_name = !text.is_empty()
            && (text.contains('_') || *text == "authenticate")
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        (is_name && (is_constant || is_argument)).then(|| (*text).to_owned())
    });
    found.collect()
}
