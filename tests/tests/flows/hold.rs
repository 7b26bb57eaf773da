//! What the control plane holds of anybody is written down, and nothing else is there: `docs/what-we-hold.md`.

mod kinds;
mod look;
mod page;
mod rest;
mod source;

use crate::compat::{Items, all_items};
use crate::harness::project_root;
use kinds::{all, is_everywhere};
use look::Seen;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

/// What can be written as JSON and is in no item: positions in lists, for cursors, and what is passed on in memory.
const NOT_STORED: [&str; 2] = ["agents/list.rs#AgentPosition", "credentials.rs#SessionKey"];

/// What is in the tables and nowhere said to be.
pub(crate) fn unsaid(items: &Items) -> Vec<String> {
    Seen::of(items).unknown.into_iter().collect()
}

#[tokio::test]
async fn every_attribute_of_every_item_is_said_to_be_held_and_nothing_is_said_that_is_not() {
    let mut seen = Seen::default();
    for items in all_items().await {
        seen.add(&items);
    }
    seen.add(&rest::items().await);
    assert!(seen.unknown.is_empty(), "{:#?}", seen.unknown);
    let (store, vocabulary) = (source::of_the_store(), source::of_the_vocabulary());
    let mut unwritten = Vec::new();
    for kind in all() {
        if !seen.kinds.contains(kind.name) {
            unwritten.push(kind.name.to_owned());
        }
        let structs = kind.structs.iter();
        let fields: BTreeSet<_> = structs
            .flat_map(|name| store.get(*name).or_else(|| vocabulary.get(*name)).unwrap())
            .collect();
        for (path, _) in kind.entries {
            let last = path.trim_end_matches(".*").rsplit('.').next().unwrap();
            if !seen.entries.contains(&(kind.name, *path)) && !fields.contains(&last.to_owned()) {
                unwritten.push(format!("{}: {path}", kind.name));
            }
        }
    }
    assert!(unwritten.is_empty(), "nothing writes {unwritten:#?}");
}

#[test]
fn every_field_that_the_source_can_write_is_said_to_be_held() {
    let (store, vocabulary) = (source::of_the_store(), source::of_the_vocabulary());
    let said: BTreeSet<_> = all()
        .iter()
        .flat_map(|kind| kind.structs)
        .copied()
        .collect();
    for name in &said {
        let is_there = store.contains_key(*name) || vocabulary.contains_key(*name);
        assert!(is_there, "there is no {name}");
    }
    let mut unsaid = Vec::new();
    for (name, fields) in store.iter().chain(&vocabulary) {
        let is_stored = store.contains_key(name) && !NOT_STORED.contains(&name.as_str());
        if is_stored && !said.contains(name.as_str()) {
            unsaid.push(name.clone());
        }
        for kind in all()
            .iter()
            .filter(|kind| kind.structs.contains(&name.as_str()))
        {
            for field in fields.iter().filter(|field| !is_everywhere(field)) {
                let mut paths = kind.entries.iter().map(|(path, _)| *path);
                if !paths.any(|path| path.split('.').any(|part| part == field)) {
                    unsaid.push(format!("{}: {name} has {field}", kind.name));
                }
            }
        }
    }
    assert!(unsaid.is_empty(), "nothing is said of {unsaid:#?}");
}

#[test]
fn the_page_says_what_is_held() {
    let path = project_root().join("docs/what-we-hold.md");
    let page = page::page();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/what-we-hold.md is not what the code says: UPDATE_SNAPSHOTS=1 writes it anew"
    );
}

#[test]
fn an_attribute_an_item_or_a_member_of_which_nothing_is_said_is_noticed() {
    let job = json!({
        "pk": { "S": "T#acme#J#job-1" }, "sk": { "S": "J" }, "status": { "S": "QUEUED" },
        "fixed": { "S": "{\"job_id\":\"job-1\",\"tags\":{\"a\":\"b\"}}" },
    });
    let with = |name: &str, value: serde_json::Value| {
        let mut job = job.clone();
        job[name] = value;
        unsaid(&Items::from([("jobs".to_owned(), vec![job])]))
    };
    assert_eq!(with("status", json!({ "S": "QUEUED" })), [""; 0]);
    for (name, value, path) in [
        ("message", json!({ "S": "x" }), "`message`"),
        (
            "fixed",
            json!({ "S": "{\"commands\":[\"x\"]}" }),
            "`fixed.commands`",
        ),
        (
            "history",
            json!({ "L": [{ "M": { "log": { "S": "x" } } }] }),
            "`history.log`",
        ),
        ("sk", json!({ "S": "LOG" }), "T#_#J#_ LOG"),
    ] {
        let found = with(name, value);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(path), "{found:?}");
    }
}
