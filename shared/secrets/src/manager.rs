//! One secret in Secrets Manager, read with the SDK.

use crate::{Lookup, SecretArn};
use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Region};
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use secrecy::SecretString;
use std::sync::OnceLock;
use std::time::Duration;

/// What Lambda gives every function, and a secret is read with.
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// Bytes of an error's text that are logged.
const MOST_LOGGED: usize = 400;

/// What Secrets Manager holds under one name at a time.
pub(crate) struct Version {
    pub(crate) value: SecretString,
    /// Which version it is, for the log.
    pub(crate) id: String,
}

/// Reads one secret.
pub(crate) struct Reader {
    arn: SecretArn,
    credentials: Credentials,
    endpoint: Option<String>,
    /// Made when the secret is first read: most processes never need it.
    client: OnceLock<Client>,
}

impl Reader {
    /// A reader with what Lambda sets: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` (absent for
    /// long-lived keys), and for tests `AWS_ENDPOINT_URL_SECRETS_MANAGER`. Lambda replaces the process before its credentials
    /// end, so they are read once.
    ///
    /// # Errors
    /// Every variable that is missing.
    pub(crate) fn new(arn: SecretArn, lookup: Lookup<'_>) -> Result<Self, Vec<String>> {
        let (Some(access), Some(secret)) = (lookup(ACCESS_KEY), lookup(SECRET_KEY)) else {
            return Err(Self::missing(lookup));
        };
        let token = lookup("AWS_SESSION_TOKEN");
        Ok(Self {
            arn,
            credentials: Credentials::new(access, secret, token, None, "environment"),
            endpoint: lookup("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            client: OnceLock::new(),
        })
    }

    /// What no reader can be made without and is not there.
    pub(crate) fn missing(lookup: Lookup<'_>) -> Vec<String> {
        [ACCESS_KEY, SECRET_KEY]
            .into_iter()
            .filter(|name| lookup(name).is_none())
            .map(|name| format!("{name} is missing"))
            .collect()
    }

    pub(crate) fn arn(&self) -> &SecretArn {
        &self.arn
    }

    /// The present version of the secret. It may take 4 s, with the second of two attempts.
    ///
    /// # Errors
    /// Why it cannot be read, for the log.
    pub(crate) async fn read(&self) -> Result<Version, String> {
        let call = self.client().get_secret_value();
        // An error may quote the answer, so that all that is told of it is what is known to hold no value.
        let answer = call.secret_id(self.arn.as_str()).send().await;
        let answer = answer.map_err(|error| described(&error))?;
        let id = answer.version_id.unwrap_or_default();
        let value = answer.secret_string.map(SecretString::from);
        value.map_or_else(
            || Err("its value is no text".to_owned()),
            |value| Ok(Version { value, id }),
        )
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(4))
                .build();
            let retries = RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(100));
            let mut config = Config::builder();
            config.set_endpoint_url(self.endpoint.clone());
            let config = config
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(self.arn.region().to_owned()))
                .credentials_provider(self.credentials.clone())
                .retry_config(retries)
                .timeout_config(timeouts);
            Client::from_conf(config.build())
        })
    }
}

/// What is told of a failure: what Secrets Manager says of it, or why it was not reached.
fn described<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let mut text = match error {
        SdkError::ServiceError(answered) => match answered.err().code() {
            Some(code) => {
                let message = answered.err().message().unwrap_or_default();
                format!("{code}: {message}")
            }
            None => "the answer cannot be understood".to_owned(),
        },
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => failure.as_connector_error().map_or_else(
            || "no connection".to_owned(),
            |error| DisplayErrorContext(error).to_string(),
        ),
        SdkError::ConstructionFailure(_) => "the call could not be made".to_owned(),
        _ => "the answer cannot be understood".to_owned(),
    };
    text.truncate(text.floor_char_boundary(MOST_LOGGED));
    text
}
