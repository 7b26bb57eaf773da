//! AWS Secrets Manager and the Parameter Store of AWS Systems Manager.
//!
//! Both calls are made by hand: of the SDK they need the credentials and the signature alone.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>

use super::VaultError;
use super::http::{Answer, Http, TIMEOUT, call};
use super::place::{AwsSecret, AwsService};
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use data_encoding::BASE64;
use secrecy::SecretString;
use serde::Deserialize;
use std::time::SystemTime;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// AWS, as this process.
#[derive(Debug)]
pub(super) struct Aws {
    credentials: SharedCredentialsProvider,
    /// Where both services are, if not where AWS has them.
    address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterValue {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "__type")]
    code: String,
}

impl Aws {
    /// With the credentials of the environment, the container, the cluster's identity or the machine.
    /// `region` is where STS is asked, if the credentials come from there.
    pub(super) async fn load(region: String) -> Option<Self> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(region))
            .load()
            .await;
        let credentials = config.credentials_provider()?;
        Some(Self {
            credentials,
            address: None,
        })
    }

    #[cfg(test)]
    pub(super) fn at(address: String, credentials: Credentials) -> Self {
        Self {
            credentials: SharedCredentialsProvider::new(credentials),
            address: Some(address),
        }
    }

    pub(super) async fn read(
        &self,
        http: &Http,
        secret: &AwsSecret,
    ) -> Result<SecretString, VaultError> {
        let (what, target, body) = match secret.service {
            AwsService::SecretsManager => (
                "AWS Secrets Manager",
                "secretsmanager.GetSecretValue",
                serde_json::json!({ "SecretId": secret.id }),
            ),
            AwsService::ParameterStore => (
                "the Parameter Store of AWS",
                "AmazonSSM.GetParameter",
                serde_json::json!({ "Name": secret.id, "WithDecryption": true }),
            ),
        };
        let credentials = self.find_credentials(what).await?;
        let address = self.address(secret);
        let body = body.to_string();
        let mut request = http
            .for_address(&address)
            .post(&address)
            .header("content-type", CONTENT_TYPE)
            .header("x-amz-target", target);
        let signed = signature(credentials, secret, &address, target, &body);
        for (name, value) in
            signed.map_err(|_| VaultError::Malformed(format!("{what}: cannot sign")))?
        {
            request = request.header(name, value);
        }
        let answer = call(what, request.body(body)).await?;
        if answer.status != 200 {
            return Err(fault(what, &answer));
        }
        match secret.service {
            AwsService::SecretsManager => value_of(what, answer.json(what)?),
            AwsService::ParameterStore => {
                let given: ParameterValue = answer.json(what)?;
                Ok(given.parameter.value.into())
            }
        }
    }

    async fn find_credentials(&self, what: &str) -> Result<Credentials, VaultError> {
        // Where they are asked for over the network, that takes as long as a call.
        let found = tokio::time::timeout(2 * TIMEOUT, self.credentials.provide_credentials());
        match found.await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(_)) | Err(_) => Err(VaultError::Unreachable(format!(
                "{what}: there are no credentials"
            ))),
        }
    }

    fn address(&self, secret: &AwsSecret) -> String {
        if let Some(address) = &self.address {
            return format!("{address}/");
        }
        let (service, region) = (secret.service.name(), &secret.region);
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://{service}.{region}.amazonaws.com{suffix}/")
    }
}

impl AwsService {
    /// What hosts and signatures call it.
    fn name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssm",
        }
    }
}

/// The headers that sign the call.
fn signature(
    credentials: Credentials,
    secret: &AwsSecret,
    address: &str,
    target: &str,
    body: &str,
) -> Result<Vec<(String, String)>, SigningError> {
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&secret.region)
        .name(secret.service.name())
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build();
    let params = match params {
        Ok(params) => params.into(),
        // All of its parts are above.
        Err(_) => return Ok(Vec::new()),
    };
    let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", target)];
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", address, headers.into_iter(), body)?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let headers = instructions.headers();
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// A secret is a text, or bytes in Base64 that are one.
fn value_of(what: &str, given: SecretValue) -> Result<SecretString, VaultError> {
    if let Some(text) = given.secret_string {
        return Ok(text.into());
    }
    let binary = given.secret_binary.unwrap_or_default();
    BASE64
        .decode(binary.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(SecretString::from)
        .ok_or_else(|| VaultError::Malformed(format!("{what}: the secret is no text")))
}

/// What a refusal means: its code is one of AWS's own words, or is left out of the message.
fn fault(what: &str, answer: &Answer) -> VaultError {
    let Ok(Fault { code }) = answer.json(what) else {
        return answer.fault(what);
    };
    let code = code.rsplit('#').next().unwrap_or_default();
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let why = format!("{what}: {}", if is_word { code } else { "refused" });
    match code {
        "ResourceNotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        // The secret is marked to be deleted.
        | "InvalidRequestException" => VaultError::Missing(why),
        "AccessDeniedException"
        | "DecryptionFailure"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "UnrecognizedClientException" => VaultError::Denied(why),
        "InternalFailure" | "InternalServiceError" | "InternalServerError"
        | "ServiceUnavailable" | "ThrottlingException" | "RequestExpired" => {
            VaultError::Unreachable(why)
        }
        _ if answer.status >= 500 => VaultError::Unreachable(why),
        _ => VaultError::Malformed(why),
    }
}
