//! From an error of deserialisation to a fault with an RFC 6901 pointer.

use serde_path_to_error::{Path, Segment};
use wire::Fault;

/// The longest detail of a fault. Messages may quote the caller's own input, which may be long.
const MAX_DETAIL_CHARS: usize = 300;

/// The longest name that a fault repeats. A longer one is no misspelt name of ours, and may be a secret in the wrong place.
const MAX_NAME_CHARS: usize = 40;

/// The fault that an error at this path is.
pub(crate) fn fault(prefix: &str, path: &Path, message: &str) -> Fault {
    let mut names: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    // Serde reports a field that is missing or unknown at the object around it.
    for beginning in ["missing field `", "unknown field `"] {
        if let Some(name) = message
            .strip_prefix(beginning)
            .and_then(|rest| rest.split('`').next())
            && names.last().is_none_or(|last| last != name)
        {
            names.push(name.to_owned());
        }
    }
    let pointer = names.iter().fold(prefix.to_owned(), |pointer, name| {
        format!("{pointer}/{}", escape(name))
    });
    Fault {
        pointer: shorten(&pointer),
        detail: shorten(&without_text(without_place(message))),
    }
}

/// A reference token as RFC 6901 writes it, unless it is no name.
pub(crate) fn escape(name: &str) -> String {
    if is_name(name) {
        name.replace('~', "~0").replace('/', "~1")
    } else {
        "...".to_owned()
    }
}

fn is_name(text: &str) -> bool {
    text.chars().nth(MAX_NAME_CHARS).is_none()
}

/// The message without the line and column that serde_json appends: the pointer says it better.
fn without_place(message: &str) -> &str {
    match message.rfind(" at line ") {
        Some(place) => &message[..place],
        None => message,
    }
}

/// The message without what it quotes of the caller's own text: a secret that somebody has put in the wrong place would be in
/// an answer, which others may keep.
fn without_text(message: &str) -> String {
    let end = |text: &str| {
        ["`, expected ", "`, there are no "]
            .iter()
            .find_map(|it| text.rfind(it))
    };
    for beginning in ["unknown field `", "unknown variant `"] {
        if let Some(rest) = message.strip_prefix(beginning)
            && let Some(end) = end(rest)
            && !is_name(&rest[..end])
        {
            return format!("{beginning}...{}", &rest[end..]);
        }
    }
    let quoted = message.split_once(" string \"");
    let after = quoted.and_then(|(_, rest)| rest.rsplit_once("\", expected "));
    match (quoted, after) {
        (Some((before, _)), Some((_, expected))) => format!("{before} string, expected {expected}"),
        _ => message.to_owned(),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
