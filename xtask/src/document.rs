//! Parts of the documentation that a program writes: they stand between two marks, and a test compares them.

use std::path::Path;

use anyhow::{Context, Result};

/// The document with what stands between the marks of that part replaced; none if it has no such marks.
fn with_part(document: &str, part: &str, content: &str) -> Option<String> {
    let begin = format!("<!-- {part} -->\n");
    let end = format!("<!-- end of {part} -->\n");
    let from = document.find(&begin)? + begin.len();
    let to = from + document.get(from..)?.find(&end)?;
    let (before, after) = (document.get(..from)?, document.get(to..)?);
    Some(format!("{before}\n{content}\n{after}"))
}

/// Writes a part of a document anew.
///
/// # Errors
///
/// If the document cannot be read or written, or has no marks for the part.
pub(crate) fn write_part(document: &Path, part: &str, content: &str) -> Result<()> {
    let shown = document.display();
    let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {shown}"))?;
    let new =
        with_part(&text, part, content).with_context(|| format!("{shown} has no part `{part}`"))?;
    std::fs::write(document, new).with_context(|| format!("cannot write {shown}"))
}

/// Whether a part of a document is what it should be. With `UPDATE_SNAPSHOTS` it is made so first.
///
/// # Panics
///
/// If it is not, with what to do.
#[cfg(test)]
pub(crate) fn expect_part(document: &Path, part: &str, content: &str) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some()
        && let Err(error) = write_part(document, part, content)
    {
        panic!("{error:#}");
    }
    let text = std::fs::read_to_string(document).unwrap_or_default();
    let new = with_part(&text, part, content);
    assert!(
        new.as_ref() == Some(&text),
        "`{part}` in {} is out of date: UPDATE_SNAPSHOTS=1 cargo test -p xtask writes it\n{content}",
        document.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_between_its_marks_alone() {
        let document = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        let expected = "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n";
        assert_eq!(with_part(document, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(
            with_part(expected, "x", "new\n").as_deref(),
            Some(expected),
            "again"
        );
        assert_eq!(with_part(document, "y", "new\n"), None);
        assert_eq!(with_part("<!-- x -->\n", "x", "new\n"), None);
    }
}
