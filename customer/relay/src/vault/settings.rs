//! What vaults need besides a reference.

use crate::plane::check_url;
use std::path::PathBuf;

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How vaults are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaultSettings {
    /// The region of secrets of AWS that are named without one.
    pub aws_region: Option<String>,
    /// HashiCorp Vault, if there is one.
    pub hashicorp: Option<HashicorpSettings>,
}

/// Where HashiCorp Vault is, and who the relay is to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashicorpSettings {
    /// Its address.
    pub address: String,
    /// The namespace, where Vault has them.
    pub namespace: Option<String>,
    /// How the relay gets a token.
    pub login: HashicorpLogin,
}

/// How the relay gets a token of HashiCorp Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashicorpLogin {
    /// It is in the variable `VAULT_TOKEN`.
    Variable,
    /// It is in a file that somebody keeps fresh, such as Vault's own agent.
    File(PathBuf),
    /// The pod's service account logs in.
    Kubernetes {
        /// The role in Vault.
        role: String,
        /// Where the method is mounted, below `auth/`.
        mount: String,
        /// The file with the service account's token.
        token_file: PathBuf,
    },
}

/// What is said of HashiCorp Vault, as texts.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) address: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) token_file: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) login: Option<String>,
    pub(crate) jwt_file: Option<String>,
}

/// Checks what is said.
///
/// # Errors
/// Everything that is wrong, each with the end of the variable's name.
pub(crate) fn read(said: Said) -> Result<Option<HashicorpSettings>, Vec<(&'static str, String)>> {
    let mut faults = Vec::new();
    let is_name = |text: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        text.bytes().all(plain) && !text.contains("..") && !text.starts_with('/')
    };
    for (name, text) in [
        ("HASHICORP_NAMESPACE", &said.namespace),
        ("HASHICORP_ROLE", &said.role),
        ("HASHICORP_LOGIN", &said.login),
    ] {
        if !text.iter().all(is_name) {
            faults.push((name, "may have letters, digits and - _ . /".to_owned()));
        }
    }
    for (name, text) in [
        ("HASHICORP_TOKEN_FILE", &said.token_file),
        ("HASHICORP_JWT_FILE", &said.jwt_file),
    ] {
        if text.iter().any(|path| !path.starts_with('/')) {
            faults.push((name, "must be a path from the root on".to_owned()));
        }
    }
    if said.role.is_some() && said.token_file.is_some() {
        let why = "is one way to a token, and HASHICORP_TOKEN_FILE another: take one away";
        faults.push(("HASHICORP_ROLE", why.to_owned()));
    }
    let address = said.address.map(|address| {
        // A token that anybody between could read opens every secret.
        if let Err(why) = check_url(&address, false) {
            faults.push(("HASHICORP_ADDRESS", why));
        }
        address.trim_end_matches('/').to_owned()
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let login = match (said.token_file, said.role) {
        (Some(file), _) => HashicorpLogin::File(file.into()),
        (None, Some(role)) => HashicorpLogin::Kubernetes {
            role,
            mount: said.login.unwrap_or_else(|| "kubernetes".to_owned()),
            token_file: said
                .jwt_file
                .map_or_else(|| SERVICE_ACCOUNT.into(), PathBuf::from),
        },
        (None, None) => HashicorpLogin::Variable,
    };
    Ok(address.map(|address| HashicorpSettings {
        address,
        namespace: said.namespace,
        login,
    }))
}
