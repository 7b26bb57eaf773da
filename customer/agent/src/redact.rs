//! Hides secrets in a stream of output, wherever the stream happens to be cut.

use std::collections::BTreeSet;

/// What stands in the log instead of a secret.
const MASK: &[u8] = b"***";

/// Lines of a secret that are shorter than this are not hidden by themselves: `}` or `ab` would blot out a whole log.
const LEAST_LINE_BYTES: usize = 4;

/// Replaces every occurrence of its needles by `***`.
///
/// Output arrives in pieces of any size. Bytes that may be the beginning of a needle are held back until the next piece
/// shows whether they are; nothing else waits, so that a log can be watched live. It holds back less than its longest
/// needle.
pub(crate) struct Redactor {
    /// Needles by their first byte, because most bytes of a log begin none.
    by_first: Vec<Vec<Vec<u8>>>,
    longest: usize,
    held: Vec<u8>,
    /// For each held byte, whether it is part of a needle already seen in full.
    hidden: Vec<bool>,
    /// Whether the last byte that was passed on was a hidden one, so that overlapping needles make one mask.
    in_mask: bool,
}

impl Redactor {
    /// Hides these secrets, and of secrets with several lines each line of at least 4 bytes too.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles = BTreeSet::new();
        // White space alone is no secret, and hiding it would hide the log's own line ends.
        for secret in secrets
            .into_iter()
            .filter(|secret| !secret.trim().is_empty())
        {
            needles.insert(secret.as_bytes());
            needles.insert(secret.trim().as_bytes());
            for line in secret.lines().map(str::trim) {
                if line.len() >= LEAST_LINE_BYTES {
                    needles.insert(line.as_bytes());
                }
            }
        }
        let mut by_first = vec![Vec::new(); 256];
        let mut longest = 0;
        for needle in needles {
            if let Some(first) = needle.first() {
                by_first[usize::from(*first)].push(needle.to_vec());
                longest = longest.max(needle.len());
            }
        }
        Self {
            by_first,
            longest,
            held: Vec::new(),
            hidden: Vec::new(),
            in_mask: false,
        }
    }

    /// Takes a piece of output and appends to `out` what is safe to show by now.
    pub(crate) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        self.hidden.resize(self.held.len(), false);
        self.mark();
        let keep_from = self.first_open_prefix();
        self.release(keep_from, out);
    }

    /// The output ends here: what was held back is no needle after all.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(self.held.len(), out);
        self.in_mask = false;
    }

    /// A whole text without its secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut fresh = Self {
            by_first: self.by_first.clone(),
            longest: self.longest,
            held: Vec::new(),
            hidden: Vec::new(),
            in_mask: false,
        };
        let mut out = Vec::with_capacity(text.len());
        fresh.push(text.as_bytes(), &mut out);
        fresh.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn mark(&mut self) {
        for start in 0..self.held.len() {
            let rest = &self.held[start..];
            let found = self.by_first[usize::from(rest[0])]
                .iter()
                .filter(|needle| rest.starts_with(needle))
                .map(Vec::len)
                .max();
            if let Some(length) = found {
                self.hidden[start..start + length].fill(true);
            }
        }
    }

    /// Where the held bytes begin that the next piece may complete to a needle.
    fn first_open_prefix(&self) -> usize {
        let end = self.held.len();
        let earliest = end.saturating_sub(self.longest.saturating_sub(1));
        (earliest..end)
            .find(|start| {
                let rest = &self.held[*start..];
                self.by_first[usize::from(rest[0])]
                    .iter()
                    .any(|needle| needle.len() > rest.len() && needle.starts_with(rest))
            })
            .unwrap_or(end)
    }

    fn release(&mut self, until: usize, out: &mut Vec<u8>) {
        for (byte, hidden) in self.held.drain(..until).zip(self.hidden.drain(..until)) {
            if !hidden {
                out.push(byte);
            } else if !self.in_mask {
                out.extend_from_slice(MASK);
            }
            self.in_mask = hidden;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact_in_pieces(secrets: &[&str], pieces: &[&[u8]]) -> String {
        let mut redactor = Redactor::new(secrets.iter().copied());
        let mut out = Vec::new();
        for piece in pieces {
            redactor.push(piece, &mut out);
        }
        redactor.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_needle_split_at_every_byte_is_hidden() {
        let secret = "hunter2-hunter2";
        let text = format!("before {secret} between {secret}{secret} after hunter2-hunt");
        let want = "before *** between *** after hunter2-hunt";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(
                    redact_in_pieces(&[secret], &pieces),
                    want,
                    "split at {first} and {second}"
                );
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(redact_in_pieces(&[secret], &single), want);
    }

    #[test]
    fn needles_that_overlap_or_contain_each_other_leave_nothing_behind() {
        let secrets = ["abcd", "cdef", "abc", "bcdefg"];
        for (text, want) in [
            ("xabcdefy", "x***y"),
            ("xabcdefgy", "x***y"),
            ("abcx", "***x"),
            ("cdefabc", "***"),
            ("abxcdef", "abx***"),
        ] {
            for cut in 0..=text.len() {
                let (left, right) = text.as_bytes().split_at(cut);
                assert_eq!(
                    redact_in_pieces(&secrets, &[left, right]),
                    want,
                    "{text} at {cut}"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_secret_of_several_lines_is_hidden() {
        let secret = "-----BEGIN KEY-----\nc2VjcmV0\n}\n-----END KEY-----\n";
        let log = "key:\n  c2VjcmV0\n}\n-----BEGIN KEY-----\r\n";
        for cut in 0..=log.len() {
            let (left, right) = log.as_bytes().split_at(cut);
            let shown = redact_in_pieces(&[secret], &[left, right]);
            assert_eq!(shown, "key:\n  ***\n}\n***\r\n", "at {cut}");
        }
        assert_eq!(redact_in_pieces(&[secret], &[secret.as_bytes()]), "***");
    }

    #[test]
    fn a_repeating_needle_does_not_make_it_hold_back_more_and_more() {
        let mut redactor = Redactor::new(["aaaa"]);
        let mut out = Vec::new();
        for _ in 0..10_000 {
            redactor.push(b"aaa", &mut out);
            assert!(redactor.held.len() < 4);
        }
        redactor.finish(&mut out);
        assert_eq!(out, b"***");
    }

    #[test]
    fn output_that_begins_no_needle_is_not_held_back() {
        let mut redactor = Redactor::new(["secret"]);
        let mut out = Vec::new();
        redactor.push(b"a whole line\nse", &mut out);
        assert_eq!(out, b"a whole line\n");
        redactor.push(b"x", &mut out);
        assert_eq!(out, b"a whole line\nsex");
    }

    #[test]
    fn an_empty_secret_hides_nothing() {
        assert_eq!(redact_in_pieces(&["", "\n"], &[b"text\n\n"]), "text\n\n");
    }
}
