//! Checks of a request beyond its shape: ranges and lengths, all faults reported at once.

use crate::text::{LOOKS_LIKE_A_CREDENTIAL, Tags, looks_like_a_credential};
use std::fmt::Display;

/// One thing that is wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fault {
    /// RFC 6901 pointer to the field; empty for the body as a whole.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// A request that can say everything that is wrong with it.
pub trait Check {
    /// Adds one fault for each thing that is wrong.
    fn check(&self, faults: &mut Vec<Fault>) {
        let _ = faults;
    }
}

/// Adds a fault unless `low <= value <= high`.
pub fn check_range<T: PartialOrd + Display + Copy>(
    faults: &mut Vec<Fault>,
    pointer: &str,
    value: T,
    (low, high): (T, T),
) {
    // Written so that NaN is a fault too.
    if !(value >= low && value <= high) {
        faults.push(Fault {
            pointer: pointer.to_owned(),
            detail: format!("must be from {low} to {high}, not {value}"),
        });
    }
}

/// Adds a fault unless the value is a percentage.
pub fn check_percent(faults: &mut Vec<Fault>, pointer: &str, value: f64) {
    check_range(faults, pointer, value, (0.0, 100.0));
}

/// Adds a fault if a text looks like a credential.
pub(crate) fn check_no_credential(faults: &mut Vec<Fault>, pointer: &str, text: Option<&str>) {
    if text.is_some_and(looks_like_a_credential) {
        faults.push(Fault {
            pointer: pointer.to_owned(),
            detail: LOOKS_LIKE_A_CREDENTIAL.to_owned(),
        });
    }
}

/// Adds a fault for each limit that the tags break: 16 tags, 512 bytes in all.
pub fn check_tags(faults: &mut Vec<Fault>, pointer: &str, tags: &Tags) {
    if let Err(detail) = crate::text::check_tags(tags) {
        faults.push(Fault {
            pointer: pointer.to_owned(),
            detail,
        });
    }
}
