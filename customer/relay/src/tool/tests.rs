//! Every tool file, against the JSON Schema that editors check them with.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

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

/// A mistake, made by replacing a text of the template.
const MISTAKES: [(&str, &str); 16] = [
    ("version: 1", "version: 2"),
    ("tool: template", "tool: My Tool"),
    ("method: hmac", "method: magic"),
    ("method: hmac", "method: github"),
    ("algorithm: sha256", "algorithm: md5"),
    ("encoding: hex", "encoding: rot13"),
    ("header: X-Signature", "header: X Signature"),
    ("[application/json]", "[text/plain]"),
    (
        "select: { path: $.type }",
        "select: { path: $.type, header: X }",
    ),
    ("{ path: $.project.name }", "{ path: project.name }"),
    ("{ path: $.project.name }", "{ lower: true }"),
    ("  author:", "  title:"),
    ("event: CUSTOM", "event: PARTY"),
    ("one_of: [nightly, release]", "equals: nightly"),
    ("words: { OK: success,", "words: { OK: Great Success,"),
    (
        "required: [repository, status]",
        "required: [repository, title]",
    ),
];

#[test]
fn a_mistake_is_one_for_the_schema_and_for_the_relay() {
    let schema = schema();
    let (file, text) = TEMPLATE;
    for (good, bad) in MISTAKES {
        assert!(text.contains(good), "{good}");
        let text = text.replacen(good, bad, 1);
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        assert!(!schema.is_valid(&value), "the schema lets pass: {bad}");
        let faults = parse(file, &text).unwrap_err();
        assert!(!faults.is_empty(), "the relay lets pass: {bad}");
        assert!(faults[0].line.is_some(), "{}", faults[0]);
    }
}
