//! Where a browser goes once its person has signed in.

use serde::{Deserialize, Deserializer, Serialize};

/// How many characters it has at most.
const MAX_LENGTH: usize = 400;

/// A path of our own, with or without a query. Nothing in it leads a browser to another host: it begins with one `/`
/// (`//host` and `/\host` name a host), has no `\` (which browsers read as `/`), and is visible ASCII (browsers take out
/// tabs and line ends before they read an address, and a line end would begin another header).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        if text.len() > MAX_LENGTH {
            return Err("must have at most 400 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err("must be visible ASCII characters without `\\`");
        }
        if !path.starts_with('/') || path.contains("//") {
            return Err("must be a path of this host: one `/` first, and no `//`");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl<'de> Deserialize<'de> for ReturnTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_our_own_is_taken() {
        for good in [
            "/",
            "/jobs",
            "/jobs?status=FAILED&next=https://example.com//x",
            "/a/b#c",
            "/%0d%0aSet-Cookie:x",
            "/@evil.example",
        ] {
            assert!(ReturnTo::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_not() {
        for bad in [
            "",
            "jobs",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a//evil.example",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "javascript:alert(1)",
            "?a",
            "#a",
            "/a\r\nSet-Cookie: x=1",
            "/\t/evil.example",
            "/a b",
            " /a",
            "/é",
            &format!("/{}", "x".repeat(400)),
        ] {
            assert!(ReturnTo::parse(bad).is_err(), "{bad:?}");
        }
    }
}
