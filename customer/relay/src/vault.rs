//! Secrets by reference: read from where the customer keeps them, never kept here, never in an error.
//!
//! What a reference may be is checked at the start; the hosts that are called are made of its checked parts and of nothing
//! that anybody else says. Every call is short, every answer small, and no redirect is followed.

mod aws;
mod azure;
mod file;
mod gcp;
mod hashicorp;
mod http;
mod place;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{HashicorpLogin, HashicorpSettings, VaultSettings};
pub(crate) use settings::{Said, read as read_settings};

use aws::Aws;
use azure::Azure;
use gcp::Gcp;
use hashicorp::Hashicorp;
use http::Http;
use place::{Place, Reference};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use wire::relay::VaultReference;

/// Why a vault gave nothing. The text has words and numbers of ours, and never a value or an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is nothing of that name: put it there.
    #[error("there is no such secret: {0}")]
    Missing(String),
    /// The vault does not let us in: give the relay the permission.
    #[error("the vault does not let us in: {0}")]
    Denied(String),
    /// It does not answer, or says to come back: later may go better.
    #[error("the vault cannot be reached: {0}")]
    Unreachable(String),
    /// It answered something else than a secret, or the reference is not one that is understood.
    #[error("the answer is not understood: {0}")]
    Malformed(String),
}

impl VaultError {
    /// One word for the log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Denied(_) => "denied",
            Self::Unreachable(_) => "unreachable",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Looks a variable up.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables of this process.
#[derive(Clone)]
struct Environment(Arc<Lookup>);

impl Environment {
    fn of_process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    /// A variable that is set to something.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// Where secrets are read from. The one that [`Default`] makes reads variables and files alone.
#[derive(Debug, Clone)]
pub struct Vault {
    settings: Arc<VaultSettings>,
    environment: Environment,
    remote: Option<Arc<Remote>>,
}

/// The vaults that are reached over the network. What no reference needs is not there.
#[derive(Debug)]
struct Remote {
    http: Http,
    aws: Option<Aws>,
    hashicorp: Option<Hashicorp>,
    gcp: Gcp,
    azure: Azure,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            settings: Arc::default(),
            environment: Environment::of_process(),
            remote: None,
        }
    }
}

impl Vault {
    /// For those references. Nothing is read yet.
    ///
    /// # Errors
    /// Everything that is wrong with the references, and why no secure connection can be made from this machine.
    pub async fn new(
        settings: &VaultSettings,
        references: &[VaultReference],
    ) -> Result<Self, Vec<String>> {
        let (mut faults, mut needs) = (Vec::new(), Needs::default());
        for reference in references {
            match Reference::parse(reference, settings) {
                Ok(parsed) => needs.add(&parsed.place),
                Err(why) => faults.push(format!("{reference}: {why}")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut vault = Self {
            settings: Arc::new(settings.clone()),
            ..Self::default()
        };
        if needs.network {
            let remote = Remote {
                http: Http::new().map_err(|why| vec![why])?,
                aws: match needs.aws_region {
                    Some(region) => Aws::load(region).await,
                    None => None,
                },
                hashicorp: settings.hashicorp.clone().map(Hashicorp::new),
                gcp: Gcp::default(),
                azure: Azure::default(),
            };
            vault.remote = Some(Arc::new(remote));
        }
        Ok(vault)
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn read(&self, reference: &VaultReference) -> Result<SecretString, VaultError> {
        let Reference { place, field } =
            Reference::parse(reference, &self.settings).map_err(VaultError::Malformed)?;
        let environment = &self.environment;
        let whole = match place {
            Place::Variable(name) => {
                let value = environment.get(&name).map(SecretString::from);
                value.ok_or_else(|| VaultError::Missing("the variable is not set".to_owned()))?
            }
            Place::File(path) => file::read(path).await?,
            Place::Hashicorp(secret) => {
                let Remote {
                    http, hashicorp, ..
                } = self.remote()?;
                let hashicorp = hashicorp.as_ref().ok_or_else(not_set_up)?;
                // A secret is a map there: a field is always needed.
                let field = field.as_deref().unwrap_or(hashicorp::FIELD);
                let map = hashicorp.read(http, environment, &secret).await?;
                return text_of(map, field);
            }
            Place::Aws(secret) => {
                let Remote { http, aws, .. } = self.remote()?;
                let aws = aws.as_ref().ok_or_else(not_set_up)?;
                aws.read(http, &secret).await?
            }
            Place::Gcp(secret) => {
                let Remote { http, gcp, .. } = self.remote()?;
                gcp.read(http, &secret).await?
            }
            Place::Azure(secret) => {
                let Remote { http, azure, .. } = self.remote()?;
                azure.read(http, environment, &secret).await?
            }
        };
        match field {
            None => Ok(whole),
            Some(field) => field_of(&whole, &field),
        }
    }

    fn remote(&self) -> Result<&Remote, VaultError> {
        self.remote.as_deref().ok_or_else(not_set_up)
    }
}

/// The references among these to files that more people can read than need to.
pub(crate) fn open_files(references: &[VaultReference]) -> Vec<VaultReference> {
    let is_open = |reference: &&VaultReference| {
        let path = place::path_of(reference);
        path.is_some_and(|path| file::is_open(&path))
    };
    references.iter().filter(is_open).cloned().collect()
}

/// What has to be set up for some references.
#[derive(Debug, Default)]
struct Needs {
    network: bool,
    /// The region of the first secret of AWS.
    aws_region: Option<String>,
}

impl Needs {
    fn add(&mut self, place: &Place) {
        match place {
            Place::Variable(_) | Place::File(_) => {}
            Place::Aws(secret) => {
                self.network = true;
                self.aws_region.get_or_insert_with(|| secret.region.clone());
            }
            Place::Hashicorp(_) | Place::Gcp(_) | Place::Azure(_) => self.network = true,
        }
    }
}

/// Only what the configuration refers to is ever read, and all of that is set up.
fn not_set_up() -> VaultError {
    VaultError::Malformed("the relay was not started for this kind of vault".to_owned())
}

/// A JSON object with secrets in it.
type Map = serde_json::Map<String, serde_json::Value>;

/// A field of a secret that is a JSON object.
fn field_of(whole: &SecretString, field: &str) -> Result<SecretString, VaultError> {
    // What serde says quotes the secret.
    let map = serde_json::from_str(whole.expose_secret())
        .map_err(|_| VaultError::Malformed("the secret is no JSON object".to_owned()))?;
    text_of(map, field)
}

fn text_of(mut map: Map, field: &str) -> Result<SecretString, VaultError> {
    match map.remove(field) {
        Some(serde_json::Value::String(text)) => Ok(text.into()),
        Some(_) => Err(VaultError::Malformed("the field is no text".to_owned())),
        None => Err(VaultError::Missing("no such field in it".to_owned())),
    }
}
