//! The version that a change is meant for.

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;
use web::Problem;

/// The version in `If-Match`: none if there is no such header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let version = value.to_str().ok().and_then(version);
        match (version, values.next()) {
            (Some(version), None) => Ok(Self(Some(version))),
            _ => Err(Problem::invalid_at(
                "/header/If-Match",
                "must be one `ETag` as it was answered, such as \"3\" with its quotes",
            )),
        }
    }
}

/// A version in quotes, in digits that are the only way to write it.
fn version(text: &str) -> Option<u64> {
    let digits = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let version: u64 = digits.parse().ok()?;
    (version.to_string() == digits).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_digits_in_quotes() {
        assert_eq!(version("\"0\""), Some(0));
        assert_eq!(version(" \"17\" "), Some(17));
        for bad in [
            "",
            "*",
            "3",
            "\"\"",
            "\"03\"",
            "\"+3\"",
            "W/\"3\"",
            "\"1\", \"2\"",
            "\"x\"",
        ] {
            assert_eq!(version(bad), None, "{bad}");
        }
    }
}
