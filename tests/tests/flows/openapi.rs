//! The document of the API is what the routers of the functions say, and is kept in the repository.

use crate::plane;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn document() -> Value {
    let api = plane::api().await;
    let (_router, document) = plane::routes(&api).into_parts();
    serde_json::to_value(document).unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        METHODS
            .iter()
            .filter_map(move |method| Some((format!("{method} {path}"), item.get(*method)?)))
    })
}

#[tokio::test]
async fn openapi_document_is_what_the_routers_say() {
    let generated = serde_json::to_string_pretty(&document().await).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == generated,
        "docs/openapi.json is not what the code says; `cargo xtask openapi` writes it anew"
    );
}

#[tokio::test]
async fn openapi_operations_have_names_tags_summaries_and_access() {
    let document = document().await;
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (operation, value) in operations(&document) {
        let id = value["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{operation}: a second operation {id}");
        let tag = value["tags"][0].as_str().unwrap_or_default();
        assert!(tags.contains(tag), "{operation}: tag {tag}");
        assert!(value["summary"].is_string(), "{operation}: no summary");
        assert!(!value["x-access"].is_null(), "{operation}: no x-access");
    }
    assert!(ids.len() > 20);
}

/// Two functions that give different schemas one name would document each other's: the first wins, in silence.
#[tokio::test]
async fn openapi_components_of_one_name_are_the_same_in_every_function() {
    let api = plane::api().await;
    let mut all: Map<String, Value> = Map::new();
    for (function, routes) in plane::functions(&api) {
        let document = serde_json::to_value(routes.into_parts().1).unwrap();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let known = all.entry(name).or_insert_with(|| schema.clone());
            assert_eq!(known, schema, "{name} of {function}");
        }
    }
}

#[tokio::test]
async fn openapi_references_lead_somewhere() {
    let document = document().await;
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                open.extend(members.values());
            }
            Value::Array(values) => open.extend(values),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[test]
fn openapi_error_codes_are_those_of_the_page_about_the_api() {
    const BEGIN: &str = "<!-- codes:begin -->\n";
    const END: &str = "<!-- codes:end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table = "| status | code | when, and what to do |\n|---|---|---|\n".to_owned();
    for code in web::ProblemCode::ALL {
        let status = code.status().as_u16();
        table.extend([format!("| {status} | `{code}` | {} |\n", code.meaning())]);
    }
    let generated = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, generated).unwrap();
    } else {
        assert!(
            page == generated,
            "docs/api.md does not have the codes of the code; `cargo xtask openapi` writes them anew"
        );
    }
}
