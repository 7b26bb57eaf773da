//! Secrets by reference.

use secrecy::SecretString;
use wire::relay::VaultReference;

/// Why a vault gave nothing. The text never has a value in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is nothing of that name.
    #[error("there is no such secret: {0}")]
    Missing(String),
    /// The vault does not let us in.
    #[error("the vault does not let us in: {0}")]
    Denied(String),
    /// It does not answer.
    #[error("the vault cannot be reached: {0}")]
    Unreachable(String),
    /// It answered something else.
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

/// Where secrets are read from.
#[derive(Debug, Clone, Default)]
pub struct Vault {}

impl Vault {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`VaultError`].
    #[expect(clippy::unused_async, reason = "others are reached over the network")]
    pub async fn read(&self, reference: &VaultReference) -> Result<SecretString, VaultError> {
        let unsupported = || VaultError::Malformed("not supported".to_owned());
        let (provider, path) = reference
            .as_str()
            .split_once("://")
            .ok_or_else(unsupported)?;
        match provider {
            "env" => std::env::var(path)
                .map(SecretString::from)
                .map_err(|_| VaultError::Missing(path.to_owned())),
            "file" => std::fs::read_to_string(path)
                .map(SecretString::from)
                .map_err(|error| VaultError::Missing(error.kind().to_string())),
            _ => Err(unsupported()),
        }
    }
}
