//! What the command line, the environment and the file say of the agent's identity.

use super::{Environment, Sources, Values};
use crate::config::KEY_VARIABLE;
use crate::identity::{ENROLMENT_VARIABLE, Identity, MetadataAddresses, TokenSource, Workload};
use crate::settings::read_small;
use secrecy::SecretString;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use wire::TenantId;

/// Where Kubernetes puts the token if the pod is set up as the documentation says.
const KUBERNETES_TOKEN: &str = "/var/run/secrets/tokens/hybrid-agent";

/// The words for identities.
const IDENTITIES: [&str; 8] = [
    "key",
    "enrolment",
    "aws",
    "gcp",
    "azure",
    "kubernetes",
    "github",
    "file",
];

impl Values {
    /// How the agent proves who it is. Whatever is wrong is added to the faults.
    pub(super) fn identity(&mut self, sources: &Sources, environment: &Environment) -> Identity {
        let name = self.text("identity");
        let source = match name.as_deref() {
            None | Some("key") => {
                let key = self.secret(sources, "key_file", KEY_VARIABLE, environment);
                return Identity::Key(key);
            }
            Some("enrolment") => {
                let token = self.secret(sources, "enrolment_file", ENROLMENT_VARIABLE, environment);
                return Identity::Enrolment(token);
            }
            Some("aws") => TokenSource::Aws,
            Some("gcp") => TokenSource::Gcp,
            Some("azure") => TokenSource::Azure,
            Some("github") => TokenSource::GitHub,
            Some("kubernetes") => TokenSource::File(self.token_file(Some(KUBERNETES_TOKEN))),
            Some("file") => TokenSource::File(self.token_file(None)),
            Some(other) => {
                let words = IDENTITIES.join(", ");
                self.faults
                    .push(format!("identity: must be one of {words}, not `{other}`"));
                return Identity::Key(SecretString::from("none"));
            }
        };
        Identity::Workload(Workload {
            audience: self.audience(&source),
            source,
            addresses: MetadataAddresses::default(),
            environment: environment.clone(),
        })
    }

    fn token_file(&mut self, default: Option<&str>) -> PathBuf {
        let path = self.text("token_file");
        let Some(path) = path.as_deref().or(default) else {
            self.faults
                .push("token_file: is missing; name the file with the token".to_owned());
            return PathBuf::new();
        };
        PathBuf::from(path)
    }

    /// Whom tokens are to be for; empty if nothing says it.
    fn audience(&mut self, source: &TokenSource) -> String {
        let resource = self.text("azure_resource");
        if let Some(named) = resource.filter(|_| *source == TokenSource::Azure) {
            return named;
        }
        if let Some(audience) = self.text("audience") {
            return audience;
        }
        if *source == TokenSource::Azure {
            self.faults.push(
                "azure_resource: is missing; the trust rule shows it as its audience".to_owned(),
            );
            return "none".to_owned();
        }
        let url = self.text("url").unwrap_or_default();
        match self.text("tenant").as_deref().map(TenantId::parse) {
            None => String::new(),
            Some(Ok(tenant)) => wire::agents_audience(&url, &tenant),
            Some(Err(fault)) => {
                self.faults.push(format!("tenant: {fault}"));
                "none".to_owned()
            }
        }
    }

    /// A secret: from the file that a flag names, the variable, or the file that a variable or the TOML file names.
    fn secret(
        &mut self,
        sources: &Sources,
        setting: &'static str,
        variable: &str,
        environment: &Environment,
    ) -> SecretString {
        let text = match (sources.flag(setting), environment.get(OsStr::new(variable))) {
            (Some(path), _) => from_file(setting, &path),
            (None, Some(value)) => value
                .to_str()
                .map(|text| text.trim().to_owned())
                .ok_or_else(|| format!("{variable}: is not UTF-8")),
            (None, None) => self
                .text(setting)
                .map_or(Ok(String::new()), |path| from_file(setting, &path)),
        };
        SecretString::from(text.unwrap_or_else(|fault| {
            self.faults.push(fault);
            String::new()
        }))
    }
}

fn from_file(setting: &str, path: &str) -> Result<String, String> {
    match read_small(Path::new(path)) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("{setting}: {path}: {error}")),
    }
}
