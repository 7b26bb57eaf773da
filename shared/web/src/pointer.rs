//! From an error of deserialisation to a fault with an RFC 6901 pointer.

use serde_path_to_error::{Path, Segment};
use wire::Fault;

/// The longest detail of a fault. Messages may quote the caller's own input, which may be long.
const MAX_DETAIL_CHARS: usize = 300;

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
        detail: shorten(without_place(message)),
    }
}

/// A reference token as RFC 6901 writes it.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The message without the line and column that serde_json appends: the pointer says it better.
fn without_place(message: &str) -> &str {
    match message.rfind(" at line ") {
        Some(place) => &message[..place],
        None => message,
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
