//! JSON with its long texts cut, while it is read: one that is longer than anything of ours takes no memory, and what stands
//! beside it can be read all the same.

/// Copies JSON, and of each text no more than so many bytes. What is valid stays valid.
#[derive(Debug)]
pub(crate) struct Shortener {
    most: usize,
    /// How many bytes of the present text were copied; none outside of a text.
    within: Option<usize>,
    /// How many bytes of an escape are still to come.
    escape: usize,
    /// Whether that escape is copied.
    is_kept: bool,
}

impl Shortener {
    /// With so many bytes of each text.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            within: None,
            escape: 0,
            is_kept: true,
        }
    }

    /// Copies a piece.
    pub(crate) fn copy(&mut self, piece: &[u8], into: &mut Vec<u8>) {
        for &byte in piece {
            if self.keeps(byte) {
                into.push(byte);
            }
        }
    }

    fn keeps(&mut self, byte: u8) -> bool {
        let Some(length) = &mut self.within else {
            if byte == b'"' {
                self.within = Some(0);
            }
            return true;
        };
        if self.escape > 0 {
            // `\n` is over with its letter; `\u` has four digits after it, of which none is a `u`.
            self.escape = if byte == b'u' { 4 } else { self.escape - 1 };
        } else if byte == b'"' {
            self.within = None;
            return true;
        } else {
            self.is_kept = *length < self.most;
            self.escape = usize::from(byte == b'\\');
        }
        *length += usize::from(self.is_kept);
        self.is_kept
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shortened(text: &str, most: usize, piece: usize) -> Value {
        let (mut shortener, mut copied) = (Shortener::new(most), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            shortener.copy(piece, &mut copied);
        }
        serde_json::from_slice(&copied).unwrap()
    }

    #[test]
    fn long_texts_are_cut_and_all_else_is_as_it_was() {
        let text = r#"{"a":"0123456789","b":[1.5e3,true,null,"x"],"c":"\"\\\"\\","d":"","e":{"f":"01234567"}}"#;
        for piece in [1, 2, 7, 1000] {
            let all: Value = serde_json::from_str(text).unwrap();
            assert_eq!(shortened(text, 100, piece), all);
            let some = shortened(text, 4, piece);
            assert_eq!(some["a"], "0123");
            assert_eq!(some["b"], json!([1500.0, true, null, "x"]));
            assert_eq!(some["c"], "\"\\");
            assert_eq!(some["e"]["f"], "0123");
        }
    }

    #[test]
    fn no_escape_is_cut_apart() {
        for text in [
            r#"["AAA\u003dBBB\u003d","x"]"#,
            r#"["\u003d\u003d\u003d\u003d\"","x"]"#,
            r#"["\n\n\n\\\\\"\u0075u","x"]"#,
        ] {
            for most in 0..40 {
                let cut = shortened(text, most, 3);
                let all: Value = serde_json::from_str(text).unwrap();
                let (cut, all) = (cut[0].as_str().unwrap(), all[0].as_str().unwrap());
                assert!(all.starts_with(cut), "{most}: {cut} of {all}");
            }
        }
    }
}
