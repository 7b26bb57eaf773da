//! HashiCorp Vault, version 2 of its key-value engine. <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>
//!
//! The token is the relay's own: from a variable, from a file that Vault's agent keeps fresh, or for the pod's service account
//! (<https://developer.hashicorp.com/vault/api-docs/auth/kubernetes>).

use super::http::{Http, call};
use super::place::HashicorpSecret;
use super::settings::{HashicorpLogin, HashicorpSettings};
use super::{Environment, Map, VaultError, file};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const WHAT: &str = "HashiCorp Vault";

/// The field that is read where a reference names none.
pub(super) const FIELD: &str = "value";

/// For how long a login is used at most. It is given up sooner when it ends, and when Vault refuses it.
const MOST_SECONDS: u64 = 3600;

/// HashiCorp Vault, as this process.
#[derive(Debug)]
pub(super) struct Hashicorp {
    settings: HashicorpSettings,
    /// The last login, and until when it is used.
    login: Mutex<Option<(SecretString, Instant)>>,
}

#[derive(Deserialize)]
struct Read {
    data: ReadData,
}

#[derive(Deserialize)]
struct ReadData {
    data: Map,
}

#[derive(Deserialize)]
struct Login {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    lease_duration: u64,
}

impl Hashicorp {
    pub(super) fn new(settings: HashicorpSettings) -> Self {
        Self {
            settings,
            login: Mutex::default(),
        }
    }

    pub(super) async fn read(
        &self,
        http: &Http,
        environment: &Environment,
        secret: &HashicorpSecret,
    ) -> Result<Map, VaultError> {
        let (token, is_kept) = self.token(http, environment).await?;
        match self.ask(http, &token, secret).await {
            // It may have been revoked since; one that is new says whether it was that.
            Err(VaultError::Denied(_)) if is_kept => {
                *self.login.lock().await = None;
                let (token, _) = self.token(http, environment).await?;
                self.ask(http, &token, secret).await
            }
            outcome => outcome,
        }
    }

    async fn ask(
        &self,
        http: &Http,
        token: &SecretString,
        secret: &HashicorpSecret,
    ) -> Result<Map, VaultError> {
        let HashicorpSecret { mount, path } = secret;
        let url = format!("{}/v1/{mount}/data/{path}", self.settings.address);
        let request = self.with_headers(http.for_address(&url).get(&url));
        let request = request.header("X-Vault-Token", token.expose_secret().trim());
        let answer = call(WHAT, request).await?;
        let given: Read = answer.success(WHAT)?;
        Ok(given.data.data)
    }

    fn with_headers(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        // Vault's agent can be told to refuse what does not have it: a page in a browser cannot send it.
        let request = request.header("X-Vault-Request", "true");
        match &self.settings.namespace {
            Some(namespace) => request.header("X-Vault-Namespace", namespace),
            None => request,
        }
    }

    /// A token, and whether it is one of an earlier login.
    async fn token(
        &self,
        http: &Http,
        environment: &Environment,
    ) -> Result<(SecretString, bool), VaultError> {
        match &self.settings.login {
            HashicorpLogin::Variable => {
                let token = environment.get("VAULT_TOKEN").map(SecretString::from);
                let missing = || VaultError::Denied(format!("{WHAT}: VAULT_TOKEN is not set"));
                Ok((token.ok_or_else(missing)?, false))
            }
            HashicorpLogin::File(path) => Ok((file::read(path.clone()).await?, false)),
            HashicorpLogin::Kubernetes {
                role,
                mount,
                token_file,
            } => {
                // One logs in, the others wait for it.
                let mut kept = self.login.lock().await;
                if let Some((token, until)) = &*kept
                    && Instant::now() < *until
                {
                    return Ok((token.clone(), true));
                }
                let jwt = file::read(token_file.clone()).await?;
                let auth = self.log_in(http, role, mount, &jwt).await?;
                // Half of it, so that it does not end on the way.
                let seconds = (auth.lease_duration / 2).min(MOST_SECONDS);
                let until = Instant::now() + Duration::from_secs(seconds);
                let token = SecretString::from(auth.client_token);
                *kept = Some((token.clone(), until));
                Ok((token, false))
            }
        }
    }

    async fn log_in(
        &self,
        http: &Http,
        role: &str,
        mount: &str,
        jwt: &SecretString,
    ) -> Result<Auth, VaultError> {
        let url = format!("{}/v1/auth/{mount}/login", self.settings.address);
        let request = self.with_headers(http.for_address(&url).post(&url));
        let body = serde_json::json!({ "role": role, "jwt": jwt.expose_secret().trim() });
        let answer = call(WHAT, request.json(&body)).await?;
        let given: Login = match answer.success(WHAT) {
            // A role that is not there is answered so.
            Err(VaultError::Malformed(_)) if answer.status == 400 => {
                return Err(VaultError::Denied(format!("{WHAT}: the login is refused")));
            }
            other => other?,
        };
        Ok(given.auth)
    }
}
