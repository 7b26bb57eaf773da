//! Azure Key Vault, as the workload's managed identity.
//! <https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/get-secret/get-secret>
//!
//! Three things hand out its token: Entra for a pod's service account (AKS workload identity), the endpoint that Container Apps,
//! App Service and Functions give their programs, and the metadata service of a machine.

use super::http::{Http, call};
use super::place::AzureSecret;
use super::{Environment, VaultError, file};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const WHAT: &str = "Azure Key Vault";
const IDENTITY: &str = "the managed identity of Azure";
const RESOURCE: &str = "https://vault.azure.net";
const FORM: &str = "application/x-www-form-urlencoded";

/// Azure, as this workload.
#[derive(Debug)]
pub(super) struct Azure {
    /// In it `{vault}` is the vault's name.
    pub(super) address: String,
    pub(super) metadata: String,
    pub(super) entra: String,
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            address: "https://{vault}.vault.azure.net".to_owned(),
            metadata: "http://169.254.169.254".to_owned(),
            entra: "https://login.microsoftonline.com".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Given {
    value: String,
}

impl Azure {
    pub(super) async fn read(
        &self,
        http: &Http,
        environment: &Environment,
        secret: &AzureSecret,
    ) -> Result<SecretString, VaultError> {
        let asked = match environment.get("AZURE_FEDERATED_TOKEN_FILE") {
            Some(path) => {
                let assertion = file::read(path.into()).await?;
                self.ask_entra(http, environment, &assertion)?
            }
            None => self.ask_platform(http, environment)?,
        };
        let token: Token = call(IDENTITY, asked).await?.success(IDENTITY)?;
        let base = self.address.replace("{vault}", &secret.vault);
        let version = secret.version.as_deref().unwrap_or_default();
        let url = format!("{base}/secrets/{}/{version}", secret.name);
        let url = with_query(&url, &[("api-version", "7.4")])?;
        let request = http.for_address(url.as_str()).get(url.clone());
        let answer = call(WHAT, request.bearer_auth(token.access_token)).await?;
        let given: Given = answer.success(WHAT)?;
        Ok(given.value.into())
    }

    /// For a pod's service account. The host is Entra's own, whatever a variable says.
    fn ask_entra(
        &self,
        http: &Http,
        environment: &Environment,
        assertion: &SecretString,
    ) -> Result<RequestBuilder, VaultError> {
        let named = |name: &str| {
            let value = environment.get(name);
            let is_id = |value: &String| {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
                value.bytes().all(allowed) && !value.starts_with('.')
            };
            let missing = || VaultError::Malformed(format!("{IDENTITY}: {name} is no id"));
            value.filter(is_id).ok_or_else(missing)
        };
        let (directory, client) = (named("AZURE_TENANT_ID")?, named("AZURE_CLIENT_ID")?);
        let url = format!("{}/{directory}/oauth2/v2.0/token", self.entra);
        let form = with_query(
            "http://form/",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                ("scope", "https://vault.azure.net/.default"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", assertion.expose_secret().trim()),
            ],
        )?;
        let request = http
            .for_address(&url)
            .post(&url)
            .header("content-type", FORM);
        Ok(request.body(form.query().unwrap_or_default().to_owned()))
    }

    /// For a program of Container Apps, App Service or Functions, or for a machine.
    fn ask_platform(
        &self,
        http: &Http,
        environment: &Environment,
    ) -> Result<RequestBuilder, VaultError> {
        let client = environment.get("AZURE_CLIENT_ID");
        let mut query = vec![("resource", RESOURCE)];
        query.extend(client.as_deref().map(|client| ("client_id", client)));
        let endpoint = environment.get("IDENTITY_ENDPOINT");
        if let Some((endpoint, proof)) = endpoint.zip(environment.get("IDENTITY_HEADER")) {
            query.push(("api-version", "2019-08-01"));
            let request = http.near().get(with_query(&endpoint, &query)?);
            return Ok(request.header("X-IDENTITY-HEADER", proof));
        }
        query.push(("api-version", "2018-02-01"));
        let url = format!("{}/metadata/identity/oauth2/token", self.metadata);
        let request = http.near().get(with_query(&url, &query)?);
        Ok(request.header("Metadata", "true"))
    }
}

fn with_query(url: &str, query: &[(&str, &str)]) -> Result<Url, VaultError> {
    Url::parse_with_params(url, query)
        .map_err(|_| VaultError::Malformed(format!("{IDENTITY}: an address is none")))
}
