//! Members of a JSON object as text, each name once.

use std::fmt::{self, Write};
use std::ops::Range;

/// How much of one text is written, in bytes.
const LONGEST: usize = 2048;

/// A member's value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// Text that a value is shown as.
    Shown(&'a dyn fmt::Debug),
    /// Something that JSON writes as it is: a number, true, false.
    Bare(&'a dyn fmt::Display),
}

/// Members of an object, and where each of them is in the text.
#[derive(Debug, Default)]
pub(crate) struct Members {
    text: String,
    places: Vec<(&'static str, Range<usize>)>,
}

impl Members {
    /// The members as they stand in an object.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Takes everything out, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
    }

    /// Adds a member, in the place of the one of that name.
    pub(crate) fn set(&mut self, name: &'static str, value: Value<'_>) {
        if self.has(name) {
            self.remove(name);
        }
        self.begin();
        let start = self.text.len();
        quoted(&mut self.text, |text| text.write_str(name));
        self.text.push(':');
        match value {
            Value::Text(value) => quoted(&mut self.text, |text| text.write_str(value)),
            Value::Shown(value) => quoted(&mut self.text, |text| write!(text, "{value:?}")),
            Value::Bare(value) => drop(write!(self.text, "{value}")),
        }
        self.places.push((name, start..self.text.len()));
    }

    /// Adds those of others whose names are not there yet.
    pub(crate) fn add_missing(&mut self, others: &Self) {
        for (name, place) in &others.places {
            if self.has(name) {
                continue;
            }
            self.begin();
            let start = self.text.len();
            self.text
                .push_str(others.text.get(place.clone()).unwrap_or_default());
            self.places.push((name, start..self.text.len()));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.places.iter().any(|(known, _)| *known == name)
    }

    fn begin(&mut self) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
    }

    fn remove(&mut self, name: &str) {
        let old = std::mem::take(self);
        for (known, place) in old.places {
            if known != name {
                self.begin();
                let start = self.text.len();
                self.text.push_str(old.text.get(place).unwrap_or_default());
                self.places.push((known, start..self.text.len()));
            }
        }
    }
}

/// Writes a JSON string with what `write` writes.
fn quoted(text: &mut String, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
    text.push('"');
    let mut escaped = Escaped {
        text,
        left: LONGEST,
        is_cut: false,
    };
    // A value that cannot be shown is shown as far as it got.
    let _ = write(&mut escaped);
    text.push('"');
}

/// Writes the inside of a JSON string, and no more of it than there is room for.
struct Escaped<'a> {
    text: &'a mut String,
    left: usize,
    is_cut: bool,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.is_cut {
            return Ok(());
        }
        let kept = part.floor_char_boundary(self.left);
        let (kept, rest) = part.split_at_checked(kept).unwrap_or((part, ""));
        self.left -= kept.len();
        let mut clean = 0;
        for (at, byte) in kept.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.text.push_str(kept.get(clean..at).unwrap_or_default());
            clean = at + 1;
            match byte {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                b'\n' => self.text.push_str("\\n"),
                b'\r' => self.text.push_str("\\r"),
                b'\t' => self.text.push_str("\\t"),
                control => write!(self.text, "\\u{control:04x}")?,
            }
        }
        self.text.push_str(kept.get(clean..).unwrap_or_default());
        if !rest.is_empty() {
            self.is_cut = true;
            self.text.push('…');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn parsed(members: &Members) -> Map<String, serde_json::Value> {
        serde_json::from_str(&format!("{{{}}}", members.as_str())).unwrap()
    }

    #[test]
    fn what_is_set_again_is_there_once() {
        let mut members = Members::default();
        members.set("a", Value::Text("1"));
        members.set("b", Value::Bare(&2));
        members.set("a", Value::Shown(&"3"));
        let mut others = Members::default();
        others.set("b", Value::Text("no"));
        others.set("c", Value::Bare(&true));
        members.add_missing(&others);
        assert_eq!(members.as_str(), r#""b":2,"a":"\"3\"","c":true"#);
        members.clear();
        assert_eq!(members.as_str(), "");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let mut members = Members::default();
        members.set("a", Value::Text(&format!("x{}", "é".repeat(LONGEST))));
        let text = parsed(&members);
        let text = text["a"].as_str().unwrap();
        assert!(
            text.ends_with("é…") && text.len() <= LONGEST + 3,
            "{}",
            text.len()
        );
    }

    proptest! {
        #[test]
        fn every_text_comes_back(first in ".{0,40}", second in any::<String>()) {
            prop_assume!(second.len() < LONGEST);
            let mut members = Members::default();
            members.set("a", Value::Text(&first));
            members.set("b", Value::Text(&second));
            let parsed = parsed(&members);
            prop_assert_eq!(&parsed["a"], &json!(first));
            prop_assert_eq!(&parsed["b"], &json!(second));
        }
    }
}
