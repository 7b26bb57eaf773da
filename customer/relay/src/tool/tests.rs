//! Every tool file, against the JSON Schema that editors check them with.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod reading;
mod shape;

use super::set::BUILT_IN;
use super::{Field, parse};
use serde_json::{Value, json};
use wire::EventKind;

const TEMPLATE: (&str, &str) = ("template.yaml", include_str!("../../tools/template.yaml"));

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../../tools/tool.schema.json")).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.into_iter().chain([TEMPLATE])
}

#[test]
fn every_tool_file_is_valid_by_its_schema_and_read() {
    let schema = schema();
    for (file, text) in files() {
        let value: Value = serde_saphyr::from_str(text).unwrap();
        let faults: Vec<_> = schema
            .iter_errors(&value)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{file}: {faults:?}");
        let tool = parse(file, text).unwrap();
        assert_eq!(format!("{}.yaml", tool.name), file);
    }
}

#[test]
fn every_tool_file_of_the_directory_is_built_in_or_the_template() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tools");
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let mut known: Vec<_> = files().map(|(file, _)| file.to_owned()).collect();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn the_schema_has_the_fields_and_events_of_the_contract() {
    let schema: Value = serde_json::from_str(include_str!("../../tools/tool.schema.json")).unwrap();
    let fields: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    assert_eq!(schema["$defs"]["field"]["enum"], json!(fields));
    let kinds: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        schema["$defs"]["event"]["properties"]["event"]["enum"],
        json!(kinds)
    );
}

/// A mistake, made by replacing a text of the template, and the field that it is in.
const MISTAKES: [(&str, &str, &str); 16] = [
    ("version: 1", "version: 2", "version"),
    ("tool: template", "tool: My Tool", "tool"),
    ("method: hmac", "method: magic", "verify.method"),
    ("method: hmac", "method: github", "verify"),
    ("algorithm: sha256", "algorithm: md5", "verify.algorithm"),
    ("encoding: hex", "encoding: rot13", "verify.encoding"),
    (
        "header: X-Signature",
        "header: X Signature",
        "verify.header",
    ),
    ("[application/json]", "[text/plain]", "content_types[0]"),
    (
        "select: { path: $.type }",
        "select: { path: $.type, header: X }",
        "select",
    ),
    (
        "{ path: $.project.name }",
        "{ path: project.name }",
        "map.repository",
    ),
    (
        "{ path: $.project.name }",
        "{ lower: true }",
        "map.repository",
    ),
    ("  author:", "  title:", "map.title"),
    ("event: CUSTOM", "event: PARTY", "events[1].event"),
    (
        "one_of: [nightly, release]",
        "equals: nightly",
        "events[1].when[0].equals",
    ),
    (
        "words: { OK: success,",
        "words: { OK: Great Success,",
        "events[1].map.status",
    ),
    (
        "required: [repository, status]",
        "required: [repository, title]",
        "events[1].required",
    ),
];

#[test]
fn a_mistake_is_one_for_the_schema_and_for_the_relay() {
    let schema = schema();
    let (file, text) = TEMPLATE;
    for (good, bad, field) in MISTAKES {
        let line = text.lines().position(|line| line.contains(good)).unwrap();
        let text = text.replacen(good, bad, 1);
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        assert!(!schema.is_valid(&value), "the schema lets pass: {bad}");
        let faults = parse(file, &text).unwrap_err();
        assert_eq!(faults[0].field, field, "{bad}: {}", faults[0]);
        // What is wrong with a part of an object is said where the object begins.
        let found = usize::try_from(faults[0].line.unwrap()).unwrap();
        let first = if field.starts_with("verify") {
            12
        } else {
            line + 1
        };
        assert!((first..=line + 1).contains(&found), "{bad}: {}", faults[0]);
    }
}

/// A file whose second event has this for the mapping of its branch, at line 11.
fn with_branch(mapping: &str) -> String {
    format!(
        "version: 1\ntool: t\nverify: {{ method: github }}\nselect: {{ header: X-Event }}\nevents:\n  - values: [a]\n    \
         event: PUSH\n  - values: [b]\n    event: PUSH\n    map:\n      branch: {mapping}\n    required: [branch]\n"
    )
}
