//! Where the control plane itself is reached.

/// Text that is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an origin as browsers write it: https://, a host in lower case, a port other than 443 if any, and no more"
)]
pub struct NotAnOrigin;

/// The origin of the control plane: what a browser says a request of our own pages comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    canonical: String,
    also: Option<String>,
}

impl Origin {
    /// An origin of a deployed control plane, such as `https://ci.example.com`.
    ///
    /// # Errors
    /// [`NotAnOrigin`].
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let authority = text.strip_prefix("https://").ok_or(NotAnOrigin)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        let port_is_good = port.is_none_or(|port| {
            let number = port.parse::<u16>().ok();
            number.is_some_and(|number| number != 0 && number != 443 && number.to_string() == port)
        });
        if host.len() > 253 || !host.split('.').all(label) || !port_is_good {
            return Err(NotAnOrigin);
        }
        Ok(Self {
            canonical: text.to_owned(),
            also: None,
        })
    }

    /// The origin that tests have.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn testing() -> Self {
        Self {
            canonical: "https://ci.example.com".to_owned(),
            also: None,
        }
    }

    /// The origins of a control plane on a laptop. Browsers take its cookies although it has no certificate.
    pub fn local(port: u16) -> Self {
        Self {
            canonical: format!("http://127.0.0.1:{port}"),
            also: Some(format!("http://localhost:{port}")),
        }
    }

    /// The origin that addresses are made of.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Whether a `Host` is the control plane's own.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        let scheme = self.canonical.split_once("://");
        scheme.is_some_and(|(scheme, _)| self.is_own(&format!("{scheme}://{host}")))
    }

    /// Whether a request from there is one of our own pages'.
    pub fn is_own(&self, origin: &str) -> bool {
        origin == self.canonical || self.also.as_deref() == Some(origin)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_no_more() {
        for good in ["https://ci.example.com", "https://ci.example.com:8443"] {
            let origin = Origin::parse(good).unwrap();
            assert_eq!(origin.as_str(), good);
            assert!(origin.is_own(good));
        }
        for bad in [
            "",
            "null",
            "ci.example.com",
            "http://ci.example.com",
            "https://",
            "https://ci.example.com/",
            "https://ci.example.com/path",
            "https://CI.example.com",
            "https://ci.example.com:443",
            "https://ci.example.com:0443",
            "https://ci.example.com:",
            "https://ci.example.com:99999",
            "https://user@ci.example.com",
            "https://ci..example.com",
            "https://ci.example.com https://evil.example",
        ] {
            assert_eq!(Origin::parse(bad), Err(NotAnOrigin), "{bad}");
        }
    }

    #[test]
    fn what_resembles_an_own_origin_is_another() {
        let origin = Origin::parse("https://ci.example.com").unwrap();
        for other in [
            "null",
            "http://ci.example.com",
            "https://ci.example.com.evil.example",
            "https://ci.example.com:8443",
            "https://evil.example/https://ci.example.com",
            "https://CI.example.com",
            "",
        ] {
            assert!(!origin.is_own(other), "{other}");
        }
        let local = Origin::local(8080);
        assert!(local.is_own("http://localhost:8080") && local.is_own("http://127.0.0.1:8080"));
        assert!(!local.is_own("http://localhost:8081"));
    }
}
