//! Addresses that somebody else has chosen, as strictly as they can be read: one spelling for each, no room for two
//! readers to disagree on the host. What a host's name resolves to is judged later, by `network`.

use std::fmt;

/// A URL that is not one we go to. The text says what is wrong, is ours, and may be shown to who gave the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlFault(pub &'static str);

/// Bytes of the longest URL.
const MAX_URL_BYTES: usize = 255;

/// Last labels that lead nowhere on the Internet, but maybe somewhere in a network of one's own.
const PRIVATE_ENDINGS: [&str; 13] = [
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "svc",
];

/// The one name by which a cloud answers its own machines that has an ordinary ending.
const METADATA_NAME: &str = "metadata.goog";

/// Issuers whose keys lie on another host than themselves. The keys of every other lie on its own.
const KEY_HOSTS: [(&str, &str); 2] = [
    ("accounts.google.com", "www.googleapis.com"),
    ("sts.windows.net", "login.microsoftonline.com"),
];

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Url {
    text: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Empty, or beginning with `/`.
    pub(crate) path: String,
    /// Plain HTTP: only the one issuer on this machine, where such a one is allowed.
    pub(crate) is_plain: bool,
}

impl Url {
    /// Reads `https://<host>[:443][/path]`.
    pub(crate) fn https(text: &str) -> Result<Self, UrlFault> {
        let rest = after_scheme(text, "https://")?;
        let (authority, path) = split_path(rest);
        let host = match authority.split_once(':') {
            None => authority,
            Some((host, "443")) => host,
            Some(_) => return fault("must not have a port other than 443"),
        };
        check_host(host)?;
        check_path(path)?;
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
            port: 443,
            path: path.to_owned(),
            is_plain: false,
        })
    }

    /// Reads `http://127.0.0.1:<port>[/path]`.
    #[cfg(any(test, feature = "local"))]
    pub(crate) fn loopback(text: &str) -> Result<Self, UrlFault> {
        let rest = after_scheme(text, "http://127.0.0.1:")?;
        let (digits, path) = split_path(rest);
        let port: u16 = match digits.parse() {
            Ok(port) if port > 0 && digits == format!("{port}") => port,
            _ => return fault("must have a port, in plain digits"),
        };
        check_path(path)?;
        Ok(Self {
            text: text.to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            path: path.to_owned(),
            is_plain: true,
        })
    }

    /// Whether scheme, host and port are the same.
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        (self.is_plain, &self.host, self.port) == (other.is_plain, &other.host, other.port)
    }
}

/// An issuer of tokens: `https://<host>[:443][/path]`, the host a name of the public DNS in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerUrl(pub(crate) Url);

impl IssuerUrl {
    /// Reads an issuer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        Url::https(text).map(Self)
    }

    /// The text, as it was given: tokens must name their issuer by the very same.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Where it describes itself (OpenID Connect Discovery 1.0, section 4): a `/` at its end is not doubled.
    pub(crate) fn discovery(&self) -> Url {
        let base = self.0.path.strip_suffix('/').unwrap_or(&self.0.path);
        Url {
            path: format!("{base}/.well-known/openid-configuration"),
            ..self.0.clone()
        }
    }

    /// Whether its keys may lie there.
    pub(crate) fn may_keep_keys_at(&self, keys: &Url) -> bool {
        let is_known_pair = || {
            KEY_HOSTS
                .iter()
                .any(|pair| *pair == (self.host(), keys.host.as_str()))
        };
        self.0.is_same_origin(keys) || (!self.0.is_plain && !keys.is_plain && is_known_pair())
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a sign-in provider is called. The same rules hold as for issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub(crate) Url);

impl Endpoint {
    /// Reads an endpoint.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        Url::https(text).map(Self)
    }

    /// The text, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

fn fault<T>(why: &'static str) -> Result<T, UrlFault> {
    Err(UrlFault(why))
}

/// What follows the scheme, when nothing in the text can be read in two ways.
fn after_scheme<'a>(text: &'a str, scheme: &str) -> Result<&'a str, UrlFault> {
    if text.len() > MAX_URL_BYTES {
        return fault("must have at most 255 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault("must consist of printable ASCII characters; write other names in punycode");
    }
    let Some(rest) = text.strip_prefix(scheme) else {
        return fault("must begin with https://");
    };
    if rest.contains(['?', '#']) {
        return fault("must not have a query or a fragment");
    }
    if rest.contains('@') {
        return fault("must not have a user");
    }
    if rest.contains(['\\', '%']) {
        return fault("must not have escapes or backslashes");
    }
    Ok(rest)
}

fn split_path(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

/// A name of the public DNS: labels of `a-z 0-9 -`, two at least, the last of letters so that no reader takes it for a
/// part of an address.
fn check_host(host: &str) -> Result<(), UrlFault> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !host.split('.').all(is_label) {
        return fault("must name its host in lower-case letters, digits, dots and hyphens");
    }
    let Some((_, last)) = host.rsplit_once('.') else {
        return fault("must name its host in full, with a domain");
    };
    if !last.starts_with("xn--") && !last.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return fault("must name its host, not give an address");
    }
    if PRIVATE_ENDINGS.contains(&last) || host == METADATA_NAME {
        return fault("must name a host of the public Internet");
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), UrlFault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:+=,".contains(&byte);
    if !path.bytes().all(is_plain) {
        return fault("must have a path of letters, digits and - . _ ~ : + = , alone");
    }
    if path.contains("//")
        || path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
    {
        return fault("must not have empty or dotted parts in its path");
    }
    Ok(())
}
