//! Google Cloud's Secret Manager, as the machine's service account.
//! <https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access>

use super::VaultError;
use super::http::{Http, call};
use data_encoding::BASE64;
use secrecy::SecretString;
use serde::Deserialize;

const WHAT: &str = "Google Cloud's Secret Manager";
const METADATA: &str = "the metadata server of Google Cloud";

/// Google Cloud, as this machine.
#[derive(Debug)]
pub(super) struct Gcp {
    pub(super) address: String,
    pub(super) metadata: String,
}

impl Default for Gcp {
    fn default() -> Self {
        Self {
            address: "https://secretmanager.googleapis.com".to_owned(),
            metadata: "http://metadata.google.internal".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Accessed {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    data: String,
}

impl Gcp {
    /// `path` is `projects/…/secrets/…/versions/…`.
    pub(super) async fn read(&self, http: &Http, path: &str) -> Result<SecretString, VaultError> {
        let token = self.token(http).await?;
        let url = format!("{}/v1/{path}:access", self.address);
        let request = http.for_address(&url).get(&url);
        let answer = call(WHAT, request.bearer_auth(token.access_token)).await?;
        let given: Accessed = answer.success(WHAT)?;
        BASE64
            .decode(given.payload.data.as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(SecretString::from)
            .ok_or_else(|| VaultError::Malformed(format!("{WHAT}: the secret is no text")))
    }

    /// The metadata server keeps a token until shortly before it ends; keeping it here too would gain nothing.
    async fn token(&self, http: &Http) -> Result<Token, VaultError> {
        let url = format!(
            "{}/computeMetadata/v1/instance/service-accounts/default/token",
            self.metadata
        );
        let request = http.near().get(url).header("Metadata-Flavor", "Google");
        let answer = call(METADATA, request).await?;
        // Whoever answers without it is somebody else.
        let flavor = answer.headers.get("metadata-flavor");
        if flavor.is_none_or(|value| value != "Google") {
            let why = format!("{METADATA}: somebody else answers in its place");
            return Err(VaultError::Unreachable(why));
        }
        answer.success(METADATA)
    }
}
