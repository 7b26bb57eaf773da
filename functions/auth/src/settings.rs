//! Which providers people can sign in with: read from the environment once, at the start.

use crate::attempts::Attempts;
use crate::providers::{GitHub, Google, SignIn};
use oidc::{Endpoint, IssuerUrl, Network, UrlFault};
use secrecy::SecretString;
use secrets::{Lookup, Secret};
use std::sync::Arc;

impl SignIn {
    /// Reads the environment: `GITHUB_CLIENT_ID` and `GOOGLE_CLIENT_ID`, of which there must be one, the
    /// `…_CLIENT_SECRET` or `…_CLIENT_SECRET_ARN` of each, and, for tests and for a GitHub of one's own, where each of them is. Only public
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
    pub fn read(network: &Network, lookup: Lookup<'_>) -> Result<Self, Vec<String>> {
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

/// The variables of one provider by which it knows us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Application {
    /// How they all begin.
    pub(crate) prefix: &'static str,
    /// The one that holds the client secret, or names with `_ARN` behind it the secret that does.
    pub(crate) secret: &'static str,
}

/// Reads what belongs to one provider, and collects what is wrong.
pub(crate) struct Reader<'a> {
    application: Application,
    network: &'a Network,
    lookup: Lookup<'a>,
    faults: &'a mut Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        application: Application,
        network: &'a Network,
        lookup: Lookup<'a>,
        faults: &'a mut Vec<String>,
    ) -> Self {
        Self {
            application,
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
            let prefix = self.application.prefix;
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
    pub(crate) fn client_secret(&mut self) -> Option<Secret<SecretString>> {
        let name = self.application.secret;
        let faults = match secrets::read(name, client_secret, self.lookup) {
            Ok(Some(secret)) => return Some(secret),
            Ok(None) => vec![format!("{name} is missing, and so is {name}_ARN")],
            Err(faults) => faults,
        };
        for fault in faults {
            self.note(fault);
        }
        None
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
        (self.lookup)(&format!("{}_{name}", self.application.prefix))
    }

    fn fault(&mut self, name: &str, what: &str) {
        self.note(format!("{}_{name}: {what}", self.application.prefix));
    }

    /// Two addresses may be made from one variable, and two secrets may lack the same one.
    fn note(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// What a provider gives an application is one line.
fn client_secret(text: &str) -> Result<SecretString, &'static str> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("must be one line of text");
    }
    Ok(SecretString::from(text))
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
    fn a_client_secret_is_given_or_named_and_not_both() {
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:github";
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let id = ("GITHUB_CLIENT_ID", "Iv1.0");
        let named = ("GITHUB_CLIENT_SECRET_ARN", arn);
        let sign_in = read(&[keys[0], keys[1], id, named]).unwrap();
        let shown = format!("{:?}", sign_in.github.unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        let given = ("GITHUB_CLIENT_SECRET", "canary");
        for (variables, fault) in [
            (
                vec![keys[0], keys[1], id, named, given],
                "GITHUB_CLIENT_SECRET and GITHUB_CLIENT_SECRET_ARN are both there",
            ),
            (
                vec![id, ("GITHUB_CLIENT_SECRET_ARN", "canary"), keys[0], keys[1]],
                "GITHUB_CLIENT_SECRET_ARN must be the ARN",
            ),
            (
                vec![named, keys[0], keys[1]],
                "GITHUB_CLIENT_ID is missing, and GITHUB_CLIENT_SECRET_ARN is there",
            ),
            (
                vec![id, ("GITHUB_CLIENT_SECRET", "canary\n")],
                "GITHUB_CLIENT_SECRET must be one line",
            ),
            (
                vec![id],
                "GITHUB_CLIENT_SECRET is missing, and so is GITHUB_CLIENT_SECRET_ARN",
            ),
        ] {
            let faults = read(&variables).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(fault), "{faults:?}");
            assert!(!faults[0].contains("canary"));
        }
        let both = [
            id,
            named,
            ("GOOGLE_CLIENT_ID", "a"),
            ("GOOGLE_CLIENT_SECRET_ARN", arn),
        ];
        let faults = read(&both).unwrap_err();
        assert_eq!(
            faults,
            [
                "AWS_ACCESS_KEY_ID is missing",
                "AWS_SECRET_ACCESS_KEY is missing"
            ]
        );
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
