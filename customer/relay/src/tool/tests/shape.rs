//! Files that do not have the shape of a tool file.

use super::with_branch;
use crate::tool::parse;

/// What is wrong, the file, and where that is: the line and the field.
type Row = (&'static str, String, u64, &'static str);

/// Faults in the mapping of a field of the second event.
fn in_a_mapping() -> Vec<Row> {
    let branch = |mapping: &str| with_branch(mapping);
    vec![
        (
            "an unknown key",
            branch("{ path: $.ref, colour: red }"),
            11,
            "events[1].map.branch.colour",
        ),
        (
            "a value that is no boolean",
            branch("{ path: $.ref, lower: maybe }"),
            11,
            "events[1].map.branch.lower",
        ),
        (
            "a value that is no text",
            branch("{ path: [$.ref] }"),
            11,
            "events[1].map.branch.path",
        ),
        (
            "a fixed value that is no text",
            branch("{ value: [main] }"),
            11,
            "events[1].map.branch.value",
        ),
        (
            "a word that is no text",
            branch("{ path: $.ref, words: { value: [a] } }"),
            11,
            "events[1].map.branch.words.value",
        ),
        (
            "a mapping that is none",
            branch("$.ref"),
            11,
            "events[1].map.branch",
        ),
        (
            "a key twice",
            branch("{ path: $.ref, path: $.a }"),
            11,
            "events[1].map.branch.path",
        ),
    ]
}

/// Faults anywhere else.
fn elsewhere() -> Vec<Row> {
    let good = with_branch("{ path: $.ref }");
    let without = |part: &str| good.replacen(part, "", 1);
    let instead = |part: &str, other: &str| good.replacen(part, other, 1);
    vec![
        (
            "an event without values",
            instead("- values: [b]\n    event", "- event"),
            11,
            "events[1].values",
        ),
        (
            "values that are no list",
            instead("values: [b]", "values: b"),
            8,
            "events[1].values",
        ),
        (
            "a value in a list that is no text",
            instead("[b]", "[c, [b]]"),
            8,
            "events[1].values[1]",
        ),
        (
            "a name in a list that is no text",
            instead("[branch]", "[[branch]]"),
            12,
            "events[1].required[0]",
        ),
        (
            "a condition with an unknown key",
            instead(
                "    event: PUSH\n    map",
                "    event: PUSH\n    when: [{ path: $.a, is: b }]\n    map",
            ),
            10,
            "events[1].when[0].is",
        ),
        (
            "an unknown key called value",
            format!("value: 1\n{good}"),
            1,
            "value",
        ),
        ("no version", without("version: 1\n"), 4, "version"),
        (
            "a version that is no number",
            instead("version: 1", "version: one"),
            1,
            "version",
        ),
        (
            "no method",
            instead("method: github", "header: X"),
            3,
            "verify.method",
        ),
        (
            "events that are no list",
            format!("{}events: {{}}\n", good.split("events").next().unwrap()),
            5,
            "events",
        ),
        (
            "text that is no YAML",
            instead("method: github", "method: \"github"),
            3,
            "verify",
        ),
        ("a second document", format!("{good}---\na: 1\n"), 14, ""),
        ("nothing", String::new(), 1, ""),
    ]
}

#[test]
fn a_fault_of_the_shape_is_named_with_its_field_however_deep_it_is() {
    assert!(parse("t.yaml", &with_branch("{ path: $.ref }")).is_ok());
    for (what, text, line, field) in in_a_mapping().into_iter().chain(elsewhere()) {
        let faults = parse("t.yaml", &text).unwrap_err();
        let places: Vec<_> = faults
            .iter()
            .map(|fault| (fault.line, fault.field.as_str()))
            .collect();
        assert_eq!(places, [(Some(line), field)], "{what}: {}", faults[0]);
    }
}
