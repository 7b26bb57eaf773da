//! How a leaf of a delivery becomes the text of a field.

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use serde_json_path::JsonPath;
use std::collections::BTreeMap;
use wire::looks_like_a_credential;

/// The longest text that can become a field, in bytes: no field may have as many.
const MAX_TEXT: usize = 1024;

/// A verified delivery, as far as a tool file can see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Value,
}

/// There is a value, and it can be no text of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// Where a text is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// The one leaf that this finds in the body. Of several, nobody could say which is meant.
    Path(JsonPath),
    /// The value of this header.
    Header(HeaderName),
    /// Here.
    Value(String),
}

impl Source {
    /// The text; none if there is nothing, `null` or an empty text.
    pub(crate) fn read(&self, delivery: &Delivery<'_>) -> Result<Option<String>, Broken> {
        let text = match self {
            Self::Value(text) => Some(text.clone()),
            Self::Header(name) => match delivery.headers.get(name) {
                Some(value) => Some(value.to_str().map_err(|_| Broken)?.to_owned()),
                None => None,
            },
            Self::Path(path) => {
                let found = path.query(delivery.body);
                let mut leaves = found.iter();
                match (leaves.next(), leaves.next()) {
                    (Some(leaf), None) => text_of(leaf)?,
                    (None, _) => None,
                    (Some(_), Some(_)) => return Err(Broken),
                }
            }
        };
        Ok(text.filter(|text| !text.is_empty()))
    }
}

fn text_of(leaf: &Value) -> Result<Option<String>, Broken> {
    match leaf {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(_) | Value::Object(_) => Err(Broken),
    }
}

/// A text, and what is done to it, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) source: Source,
    /// Taken away; what does not begin with it is no value.
    pub(crate) strip_prefix: Option<String>,
    /// Made lower-case.
    pub(crate) lower: bool,
    /// The only texts that are a value, and what each becomes.
    pub(crate) words: Option<BTreeMap<String, String>>,
    /// A host and a path, or the address of a web page, made the address to clone from.
    pub(crate) clone_url: bool,
}

impl Mapping {
    /// The text of the field; none if the delivery has none.
    pub(crate) fn read(&self, delivery: &Delivery<'_>) -> Result<Option<String>, Broken> {
        let Some(mut text) = self.source.read(delivery)? else {
            return Ok(None);
        };
        if text.len() > MAX_TEXT {
            return Err(Broken);
        }
        // A credential that is changed here could be one that the contract's own check does not know.
        if looks_like_a_credential(&text) {
            return Err(Broken);
        }
        if let Some(prefix) = &self.strip_prefix {
            match text.strip_prefix(prefix.as_str()) {
                Some(rest) if looks_like_a_credential(rest) => return Err(Broken),
                Some(rest) => text = rest.to_owned(),
                None => return Ok(None),
            }
        }
        if self.lower {
            text = text.to_lowercase();
        }
        if let Some(words) = &self.words {
            match words.get(&text) {
                Some(word) => text.clone_from(word),
                None => return Ok(None),
            }
        }
        if self.clone_url {
            text = clone_url(&text).ok_or(Broken)?;
        }
        // What is made of a text can look like one where the text did not: the control plane would refuse the whole event.
        if looks_like_a_credential(&text) {
            return Err(Broken);
        }
        Ok(Some(text))
    }
}

/// `https://<host>/<path>.git` of an address over http or ssh, of `user@host:path`, or of a host and a path. A user's name is
/// left out with ssh, where it says nothing; over http it may be a token, and then there is no address.
fn clone_url(text: &str) -> Option<String> {
    let (is_web, rest) = match text.split_once("://") {
        Some(("https" | "http", rest)) => (true, rest),
        Some(("ssh", rest)) => (false, rest),
        Some(_) => return None,
        None => (!text.contains('@'), text),
    };
    let has_slash = is_web || text.contains("://");
    let (authority, path) = rest.split_once(if has_slash { '/' } else { ':' })?;
    let host = match (is_web, authority.split_once('@')) {
        (_, None) => authority,
        (false, Some((_, host))) => host,
        (true, Some(_)) => return None,
    };
    let host = if is_web {
        host
    } else {
        host.split(':').next().unwrap_or_default()
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['?', '#', '@']);
    (is_plain(host) && is_plain(path))
        .then(|| format!("https://{}/{path}.git", host.to_lowercase()))
}

/// What has to hold of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) source: Source,
    pub(crate) test: Test,
}

/// What a text has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    OneOf(Vec<String>),
    Prefix(String),
}

impl Condition {
    pub(crate) fn holds_for(&self, delivery: &Delivery<'_>) -> Result<bool, Broken> {
        let Some(text) = self.source.read(delivery)? else {
            return Ok(false);
        };
        Ok(match &self.test {
            Test::OneOf(texts) => texts.contains(&text),
            Test::Prefix(prefix) => text.starts_with(prefix.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_clone_from_is_made_of_every_way_to_write_one() {
        let want = Some("https://git.example.com/a/b.git".to_owned());
        for text in [
            "https://git.example.com/a/b",
            "https://GIT.example.com/a/b.git",
            "http://git.example.com/a/b/",
            "git.example.com/a/b",
            "ssh://git@git.example.com:7999/a/b.git",
            "git@git.example.com:a/b.git",
        ] {
            assert_eq!(clone_url(text), want, "{text}");
        }
        for bad in [
            "",
            "a",
            "https://",
            "https://git.example.com",
            "https://token@git.example.com/a/b",
            "https://git.example.com/a/b?token=x",
            "file:///etc/passwd",
            "ext::sh -c x",
        ] {
            assert_eq!(clone_url(bad), None, "{bad}");
        }
    }
}
