//! Where tokens come from: none of these is a key that somebody keeps.

use super::http::{Answer, Call, Http};
use super::tokens::Fetched;
use crate::lazy::Lazy;
use crate::{ExternalId, QueueError};
use aws_sdk_sts::error::ProvideErrorMetadata;
use http::{HeaderName, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::relay::{EntraId, Federation, ServiceAccount, WorkloadProvider};

/// What a token of Azure is for.
const SERVICE_BUS: &str = "https://servicebus.azure.net";

/// What a token of Google Cloud is for: messages, or to act as a service account.
const PUBSUB_SCOPE: &str = "https://www.googleapis.com/auth/pubsub";
const CLOUD_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// For how long a service account's token is asked for.
const ACCOUNT_LIFE: Duration = Duration::from_mins(15);

/// For how long our own token is good that is shown to another cloud: it is exchanged at once.
const ASSERTION_SECONDS: i32 = 300;

/// The largest file that a token is read from, in bytes.
const MAX_FILE: u64 = 16 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// Where tokens come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Microsoft Entra gives one for one of another issuer.
    Entra {
        directory_id: EntraId,
        client_id: EntraId,
        assertion: Assertion,
    },
    /// App Service or Container Apps serve one.
    EntraServed {
        endpoint: String,
        header: SecretString,
        client_id: Option<EntraId>,
    },
    /// The host of a virtual machine of Azure serves one.
    EntraHost { client_id: Option<EntraId> },
    /// Google's token service gives one for one of another issuer.
    Google {
        provider: WorkloadProvider,
        account: Option<ServiceAccount>,
        assertion: Assertion,
    },
    /// The metadata server of Google Cloud serves one.
    GoogleHost,
}

/// What shows another cloud who we are.
#[derive(Debug, Clone)]
pub(crate) enum Assertion {
    /// A token of AWS, made out for that audience alone.
    Aws {
        sts: Lazy<aws_sdk_sts::Client>,
        audience: String,
    },
    /// A token in a file that somebody else renews.
    File(PathBuf),
}

/// What a token service answers. Some say for how long a token is good, and some only when it ends: App Service, Container Apps
/// and Functions. <https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity>
#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    expires_in: Option<Seconds>,
    /// Since 1970.
    expires_on: Option<Seconds>,
}

/// Some write the number as text. No token is lost because its end is written in another way.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
    Other(IgnoredAny),
}

impl Seconds {
    fn read(self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => Some(seconds),
            Self::Text(text) => text.parse().ok(),
            Self::Other(_) => None,
        };
        seconds.map(Duration::from_secs)
    }
}

#[derive(Deserialize)]
struct AccountToken {
    #[serde(rename = "accessToken")]
    access_token: SecretString,
}

/// OAuth's word for what is wrong.
#[derive(Deserialize)]
struct OauthError {
    error: String,
}

impl Source {
    /// The customer's cloud, which believes our token for that ExternalId.
    pub(crate) fn federated(
        sts: Lazy<aws_sdk_sts::Client>,
        federation: &Federation,
        external_id: &ExternalId,
    ) -> Self {
        let assertion = Assertion::Aws {
            sts,
            audience: external_id.as_str().to_owned(),
        };
        match federation.clone() {
            Federation::Azure {
                directory_id,
                client_id,
            } => Self::Entra {
                directory_id,
                client_id,
                assertion,
            },
            Federation::Gcp {
                workload_provider,
                service_account,
            } => Self::Google {
                provider: workload_provider,
                account: service_account,
                assertion,
            },
        }
    }

    /// Fetches a token. `now` is what the time is here, which tells how long it still is to the token's end.
    pub(super) async fn fetch(&self, http: &Http, now: SystemTime) -> Result<Fetched, QueueError> {
        match self {
            Self::Entra {
                directory_id,
                client_id,
                assertion,
            } => {
                let url =
                    format!("https://login.microsoftonline.com/{directory_id}/oauth2/v2.0/token");
                let assertion = assertion.read().await?;
                let form = [
                    ("client_id", client_id.as_str()),
                    ("scope", "https://servicebus.azure.net/.default"),
                    ("grant_type", "client_credentials"),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", assertion.expose_secret()),
                ];
                let call = Call::new(Method::POST, url).body(FORM, encoded(&form)?);
                token("Microsoft Entra", &http.send(call).await?, now)
            }
            Self::EntraServed {
                endpoint,
                header,
                client_id,
            } => {
                let url = format!(
                    "{endpoint}?{}",
                    host_query("2019-08-01", client_id.as_ref())?
                );
                let name = HeaderName::from_static("x-identity-header");
                let call = Call::new(Method::GET, url).secret(name, header)?;
                token("the machine's identity", &http.send(call).await?, now)
            }
            Self::EntraHost { client_id } => {
                let query = host_query("2018-02-01", client_id.as_ref())?;
                let url = format!("http://169.254.169.254/metadata/identity/oauth2/token?{query}");
                let call = Call::new(Method::GET, url).header("metadata", "true")?;
                token("the machine's identity", &http.send(call).await?, now)
            }
            Self::Google {
                provider,
                account,
                assertion,
            } => {
                let assertion = assertion.read().await?;
                google(http, provider, account.as_ref(), &assertion, now).await
            }
            Self::GoogleHost => {
                let url = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";
                let call = Call::new(Method::GET, url.to_owned());
                let call = call.header("metadata-flavor", "Google")?;
                token("the machine's identity", &http.send(call).await?, now)
            }
        }
    }
}

/// Our token becomes one of the pool, and that one, if there is one to act as, a service account's.
async fn google(
    http: &Http,
    provider: &WorkloadProvider,
    account: Option<&ServiceAccount>,
    assertion: &SecretString,
    now: SystemTime,
) -> Result<Fetched, QueueError> {
    let audience = format!("//iam.googleapis.com/{provider}");
    let scope = account.map_or(PUBSUB_SCOPE, |_| CLOUD_SCOPE);
    let form = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("audience", &audience),
        ("scope", scope),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", assertion.expose_secret()),
    ];
    let call = Call::new(
        Method::POST,
        "https://sts.googleapis.com/v1/token".to_owned(),
    );
    let answer = http.send(call.body(FORM, encoded(&form)?)).await?;
    let own = token("Google's token service", &answer, now)?;
    let Some(account) = account else {
        return Ok(own);
    };
    let url = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    );
    let body = serde_json::json!({
        "scope": [PUBSUB_SCOPE],
        "lifetime": format!("{}s", ACCOUNT_LIFE.as_secs()),
    });
    let call = Call::new(Method::POST, url)
        .bearer(&own.token)?
        .body("application/json", body.to_string());
    let answer: AccountToken = granted("Google's service account", &http.send(call).await?)?;
    Ok(Fetched {
        token: answer.access_token,
        life: ACCOUNT_LIFE,
    })
}

impl Assertion {
    async fn read(&self) -> Result<SecretString, QueueError> {
        match self {
            Self::Aws { sts, audience } => aws_token(sts.get(), audience).await,
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || {
                    let size = std::fs::metadata(&path)?.len();
                    if size > MAX_FILE {
                        return Err(std::io::Error::other("too large"));
                    }
                    std::fs::read_to_string(&path)
                });
                match read.await {
                    Ok(Ok(text)) => Ok(SecretString::from(text.trim().to_owned())),
                    _ => Err(QueueError::Denied(
                        "the file of AZURE_FEDERATED_TOKEN_FILE cannot be read".to_owned(),
                    )),
                }
            }
        }
    }
}

async fn aws_token(sts: &aws_sdk_sts::Client, audience: &str) -> Result<SecretString, QueueError> {
    let call = sts
        .get_web_identity_token()
        .audience(audience)
        .signing_algorithm("RS256")
        .duration_seconds(ASSERTION_SECONDS);
    let answer = call.send().await.map_err(|error| {
        let code = error.as_service_error().and_then(|service| service.code());
        match code {
            Some(
                code @ ("AccessDenied"
                | "AccessDeniedException"
                | "OutboundWebIdentityFederationDisabled"
                | "OutboundWebIdentityFederationDisabledException"),
            ) => QueueError::Denied(format!("AWS gives us no token: {code}")),
            code => QueueError::Unreachable(format!(
                "AWS gives us no token: {}",
                code.unwrap_or("no answer")
            )),
        }
    })?;
    let token = answer.web_identity_token.map(SecretString::from);
    token.ok_or_else(|| QueueError::Unreachable("AWS gives us no token".to_owned()))
}

fn host_query(version: &str, client_id: Option<&EntraId>) -> Result<String, QueueError> {
    let mut query = vec![("api-version", version), ("resource", SERVICE_BUS)];
    query.extend(client_id.map(|id| ("client_id", id.as_str())));
    encoded(&query)
}

fn encoded(pairs: &[(&str, &str)]) -> Result<String, QueueError> {
    serde_urlencoded::to_string(pairs).map_err(|_| QueueError::Refused("not a form".to_owned()))
}

fn token(who: &str, answer: &Answer, now: SystemTime) -> Result<Fetched, QueueError> {
    let given: Given = granted(who, answer)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = given.expires_on.and_then(Seconds::read);
    let lives = [
        given.expires_in.and_then(Seconds::read),
        end.map(|end| end.saturating_sub(now)),
    ];
    // The sooner of two: a machine's host hands out a token again with the life that it had at first.
    let life = lives.into_iter().flatten().min();
    Ok(Fetched {
        token: given.access_token,
        // Without an end it is used once.
        life: life.unwrap_or_default(),
    })
}

/// Reads what was granted. Nothing of an answer goes into an error but its status, and OAuth's word for what is wrong.
fn granted<T: DeserializeOwned>(who: &str, answer: &Answer) -> Result<T, QueueError> {
    match answer.status {
        200 if !answer.is_cut => serde_json::from_slice(&answer.body)
            .map_err(|_| QueueError::Unreachable(format!("{who} answers something else"))),
        status @ (400 | 401 | 403 | 404) => {
            let word = serde_json::from_slice::<OauthError>(&answer.body);
            let word = word.map(|error| error.error).unwrap_or_default();
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            let word = match word.as_str() {
                word if word.len() <= 64 && word.bytes().all(is_word) => word,
                _ => "",
            };
            let text = format!("{who} answers {status} {word}");
            Err(QueueError::Denied(text.trim_end().to_owned()))
        }
        status => Err(QueueError::Unreachable(format!("{who} answers {status}"))),
    }
}
