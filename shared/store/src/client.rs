//! The SDK client, as a function on Lambda makes it.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use std::time::Duration;

/// An environment variable that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("missing environment variables: {}", .0.join(", "))]
pub struct ClientFault(pub Vec<&'static str>);

/// A client from the environment that Lambda gives every function: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` (absent for long-lived keys), and for tests
/// `AWS_ENDPOINT_URL_DYNAMODB`. Lambda replaces the process before its credentials end, so they are read once, and the
/// usual chain of providers, with its calls at start, is not needed.
///
/// Throttling and transport errors are retried by the SDK, adaptively, 4 attempts in all; each may take 2 s and all
/// together 6 s, well below API Gateway's 30 s.
///
/// # Errors
/// Every missing variable at once.
pub fn client_from_env() -> Result<Client, ClientFault> {
    let mut missing = Vec::new();
    let mut required = |name: &'static str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
    };
    let region = required("AWS_REGION");
    let access_key = required("AWS_ACCESS_KEY_ID");
    let secret_key = required("AWS_SECRET_ACCESS_KEY");
    if !missing.is_empty() {
        return Err(ClientFault(missing));
    }
    let session_token = std::env::var("AWS_SESSION_TOKEN")
        .ok()
        .filter(|token| !token.is_empty());
    let credentials = Credentials::new(access_key, secret_key, session_token, None, "environment");
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::adaptive().with_max_attempts(4))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(6))
                .build(),
        );
    if let Ok(url) = std::env::var("AWS_ENDPOINT_URL_DYNAMODB") {
        config = config.endpoint_url(url);
    }
    Ok(Client::from_conf(config.build()))
}
