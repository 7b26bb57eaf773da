//! Cursors: opaque, and good only for the tenant and the query that they came from.

use crate::{Problem, ProblemCode};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use wire::{Fault, TenantId};

/// What a cursor is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding([u8; 16]);

/// The longest cursor, in characters.
const MAX_CHARS: usize = 1024;

impl Binding {
    /// The binding to a tenant's list: its path, and its filters in any order.
    pub(crate) fn new(tenant: &TenantId, path: &str, filters: &[(String, String)]) -> Self {
        let mut sorted: Vec<_> = filters.iter().collect();
        sorted.sort();
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            // The length keeps `a`, `bc` apart from `ab`, `c`.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        add("cursor 1");
        add(tenant.as_str());
        add(path);
        for (name, value) in sorted {
            add(name);
            add(value);
        }
        let mut binding = [0; 16];
        binding.copy_from_slice(&hash.finalize()[..16]);
        Self(binding)
    }

    /// The cursor to a position.
    pub(crate) fn encode<P: Serialize>(&self, position: &P) -> Option<String> {
        let mut bytes = self.0.to_vec();
        serde_json::to_writer(&mut bytes, position).ok()?;
        Some(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The position that a cursor points to.
    pub(crate) fn decode<P: DeserializeOwned>(&self, cursor: &str) -> Result<P, Problem> {
        self.position(cursor).ok_or_else(|| {
            Problem::with_errors(
                ProblemCode::InvalidCursor,
                vec![Fault {
                    pointer: "/query/cursor".to_owned(),
                    detail: "must be the `next_cursor` of this very list with the same filters"
                        .to_owned(),
                }],
            )
        })
    }

    fn position<P: DeserializeOwned>(&self, cursor: &str) -> Option<P> {
        if cursor.len() > MAX_CHARS {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (binding, position) = bytes.split_at_checked(self.0.len())?;
        if binding != self.0 {
            return None;
        }
        serde_json::from_slice(position).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn filters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn binding(tenant: &str, path: &str, pairs: &[(&str, &str)]) -> Binding {
        Binding::new(&TenantId::parse(tenant).unwrap(), path, &filters(pairs))
    }

    #[test]
    fn a_cursor_leads_back_to_its_position_whatever_the_order_of_filters() {
        let cursor = binding("acme", "/jobs", &[("a", "1"), ("b", "2")])
            .encode(&("1700#job-1", 7))
            .unwrap();
        let back: (String, u32) = binding("acme", "/jobs", &[("b", "2"), ("a", "1")])
            .decode(&cursor)
            .unwrap();
        assert_eq!(back, ("1700#job-1".to_owned(), 7));
    }

    #[test]
    fn a_cursor_of_another_tenant_list_or_filter_is_refused_as_garbage_is() {
        let cursor = binding("acme", "/jobs", &[("a", "1")])
            .encode(&"p")
            .unwrap();
        for other in [
            binding("other", "/jobs", &[("a", "1")]),
            binding("acme", "/agents", &[("a", "1")]),
            binding("acme", "/jobs", &[("a", "2")]),
            binding("acme", "/jobs", &[]),
        ] {
            let problem = other.decode::<String>(&cursor).unwrap_err();
            assert_eq!(problem.code(), ProblemCode::InvalidCursor);
            assert_eq!(problem.errors()[0].pointer, "/query/cursor");
        }
        let this = binding("acme", "/jobs", &[("a", "1")]);
        for garbage in [
            "",
            "x",
            "!!",
            &cursor[1..],
            &format!("{cursor}AA"),
            &"A".repeat(2000),
        ] {
            assert!(this.decode::<String>(garbage).is_err(), "{garbage}");
        }
    }
}
