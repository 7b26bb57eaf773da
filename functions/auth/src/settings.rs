//! Which providers people can sign in with: read from the environment once, at the start.

use crate::attempts::Attempts;
use crate::providers::{GitHub, Google, SignIn};
use oidc::{Endpoint, IssuerUrl, Network, UrlFault};
use secrecy::SecretString;
use std::sync::Arc;

/// How a variable is looked up. An empty one is none.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl SignIn {
    /// Reads the environment: `GITHUB_CLIENT_ID` and `GOOGLE_CLIENT_ID`, of which there must be one, the
    /// `…_CLIENT_SECRET` of each, and, for tests and for a GitHub of one's own, where each of them is. Only public
    /// addresses are ever called.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::read(&Network::public(), &|name| std::env::var(name).ok())
    }

    /// The same, from elsewhere than the environment, and in a network that may have an address of this machine.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(
        network: &Network,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<String>> {
        let filled = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut faults = Vec::new();
        let github = GitHub::read(network, &filled, &mut faults);
        let google = Google::read(network, &filled, &mut faults);
        if github.is_none() && google.is_none() && faults.is_empty() {
            faults.push(
                "GITHUB_CLIENT_ID and GOOGLE_CLIENT_ID are missing: nobody could sign in"
                    .to_owned(),
            );
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            github: github.map(Arc::new),
            google: google.map(Arc::new),
            attempts: Attempts::default(),
        })
    }
}

/// Reads what belongs to one provider, and collects what is wrong.
pub(crate) struct Reader<'a> {
    prefix: &'static str,
    network: &'a Network,
    lookup: Lookup<'a>,
    faults: &'a mut Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        prefix: &'static str,
        network: &'a Network,
        lookup: Lookup<'a>,
        faults: &'a mut Vec<String>,
    ) -> Self {
        Self {
            prefix,
            network,
            lookup,
            faults,
        }
    }

    /// Whether the provider is off: without a client id it is, and then none of its `others` may be set.
    pub(crate) fn is_off(&mut self, others: &[&str]) -> bool {
        if self.get("CLIENT_ID").is_some() {
            return false;
        }
        let set = others.iter().find(|name| self.get(name).is_some());
        if let Some(name) = set {
            let prefix = self.prefix;
            self.faults.push(format!(
                "{prefix}_CLIENT_ID is missing, and {prefix}_{name} is there"
            ));
        }
        true
    }

    /// The client id.
    pub(crate) fn client_id(&mut self) -> Option<String> {
        let id = self.get("CLIENT_ID")?;
        // It stands in addresses.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.len() > 255 || !id.bytes().all(allowed) {
            self.fault("CLIENT_ID", "must be letters, digits, `-`, `_` and `.`");
            return None;
        }
        Some(id)
    }

    /// What the provider knows us by.
    pub(crate) fn client_secret(&mut self) -> Option<SecretString> {
        let secret = self.get("CLIENT_SECRET").map(SecretString::from);
        if secret.is_none() {
            let missing = format!("{}_CLIENT_SECRET is missing", self.prefix);
            self.faults.push(missing);
        }
        secret
    }

    /// An address.
    pub(crate) fn url(&mut self, name: &str, default: &str) -> Option<Endpoint> {
        self.url_below(name, default, "")
    }

    /// An address below the one that is configured.
    pub(crate) fn url_below(&mut self, name: &str, default: &str, path: &str) -> Option<Endpoint> {
        let base = self.get(name).unwrap_or_else(|| default.to_owned());
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let parsed = self.network.endpoint(&url);
        self.checked(name, parsed)
    }

    /// The issuer of ID tokens.
    pub(crate) fn issuer(&mut self, name: &str, default: &str) -> Option<IssuerUrl> {
        let text = self.get(name).unwrap_or_else(|| default.to_owned());
        let parsed = self.network.issuer(&text);
        self.checked(name, parsed)
    }

    fn checked<T>(&mut self, name: &str, parsed: Result<T, UrlFault>) -> Option<T> {
        match parsed {
            Ok(url) => Some(url),
            Err(fault) => {
                self.fault(name, &fault.to_string());
                None
            }
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(&format!("{}_{name}", self.prefix))
    }

    fn fault(&mut self, name: &str, what: &str) {
        let fault = format!("{}_{name}: {what}", self.prefix);
        // Two addresses may be made from one variable.
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<SignIn, Vec<String>> {
        SignIn::read(&Network::public(), &|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn one_provider_is_enough_and_the_other_is_off() {
        let github = [("GITHUB_CLIENT_ID", "Iv1.0"), ("GITHUB_CLIENT_SECRET", "s")];
        let sign_in = read(&github).unwrap();
        assert!(sign_in.provider("github").is_ok());
        assert_eq!(sign_in.provider("google").unwrap_err().status(), 404);
        assert_eq!(sign_in.provider("gitlab").unwrap_err().status(), 404);
        let google = [
            ("GOOGLE_CLIENT_ID", "1-a.apps.googleusercontent.com"),
            ("GOOGLE_CLIENT_SECRET", "s"),
            ("GITHUB_CLIENT_ID", ""),
        ];
        let sign_in = read(&google).unwrap();
        assert!(sign_in.provider("google").is_ok());
        assert_eq!(sign_in.provider("github").unwrap_err().status(), 404);
    }

    #[test]
    fn no_provider_is_a_fault() {
        let faults = read(&[]).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("GITHUB_CLIENT_ID"), "{faults:?}");
        assert!(faults[0].contains("GOOGLE_CLIENT_ID"), "{faults:?}");
    }

    #[test]
    fn half_a_provider_is_a_fault_and_all_faults_are_named_at_once() {
        let faults = read(&[
            ("GITHUB_CLIENT_ID", "a/b"),
            ("GITHUB_API_URL", "http://127.0.0.1"),
            ("GOOGLE_CLIENT_SECRET", "canary"),
        ])
        .unwrap_err();
        let said = faults.join("\n");
        for named in [
            "GITHUB_CLIENT_ID: ",
            "GITHUB_CLIENT_SECRET is missing",
            "GITHUB_API_URL: ",
            "GOOGLE_CLIENT_ID is missing, and GOOGLE_CLIENT_SECRET is there",
        ] {
            assert!(said.contains(named), "{named}: {said}");
        }
        assert!(!said.contains("canary"));
        let faults = read(&[
            ("GITHUB_CLIENT_ID", "a"),
            ("GITHUB_CLIENT_SECRET", "s"),
            ("GITHUB_AUTHORIZE_URL", "https://github.com/?a=b"),
            ("GITHUB_TOKEN_URL", "http://github.com/"),
            ("GITHUB_API_URL", "https://127.0.0.1"),
        ])
        .unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
