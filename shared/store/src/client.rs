//! The SDK client, as a function on Lambda makes it.

use crate::connector::Prepared;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use std::time::Duration;

/// Names another DynamoDB, for tests.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// A client from what `lookup` finds in the environment that Lambda gives every function: `AWS_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` (absent for long-lived keys), and for tests
/// `AWS_ENDPOINT_URL_DYNAMODB`. Lambda replaces the process before its credentials end, so they are read once, and the
/// usual chain of providers, with its calls at start, is not needed.
///
/// Throttling and transport errors are retried by the SDK, adaptively, 4 attempts in all; each may take 2 s and all
/// together 6 s, well below API Gateway's 30 s.
///
/// # Errors
/// Every fault at once, each with the name of its variable.
pub fn client_from(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Client, Vec<String>> {
    let variable = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let mut faults = Vec::new();
    let mut required = |name: &str| {
        variable(name).unwrap_or_else(|| {
            faults.push(format!("{name} is missing"));
            String::new()
        })
    };
    let region = required("AWS_REGION");
    let access_key = required("AWS_ACCESS_KEY_ID");
    let secret_key = required("AWS_SECRET_ACCESS_KEY");
    if !is_region(&region) {
        faults.push("AWS_REGION must be the name of a region".to_owned());
    }
    let endpoint = variable(ENDPOINT);
    if endpoint.as_deref().is_some_and(|url| !is_address(url)) {
        faults.push(format!("{ENDPOINT} must be an http or https address"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let session_token = variable("AWS_SESSION_TOKEN");
    let credentials = Credentials::new(access_key, secret_key, session_token, None, "environment");
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Prepared::begin())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::adaptive().with_max_attempts(4))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(6))
                .build(),
        );
    config.set_endpoint_url(endpoint);
    Ok(Client::from_conf(config.build()))
}

/// Whether a text can be part of the name of a host, as the region is. One that is missing is told of as that.
fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 63 && text.bytes().all(allowed)
}

fn is_address(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let starts_well =
            rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        starts_well && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with those variables besides what is needed.
    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let found = client_from(&|name| {
            let set = variables.iter().find(|(known, _)| *known == name);
            let usual = match name {
                "AWS_REGION" => Some("eu-central-1"),
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("key"),
                _ => None,
            };
            set.map(|(_, value)| *value).or(usual).map(str::to_owned)
        });
        found.err().unwrap_or_default()
    }

    #[test]
    fn everything_that_is_missing_or_malformed_is_named_at_once() {
        let all = [
            ("AWS_REGION", "Frankfurt am Main"),
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            (ENDPOINT, "localhost:8000"),
        ];
        assert_eq!(
            faults(&all),
            [
                "AWS_ACCESS_KEY_ID is missing",
                "AWS_SECRET_ACCESS_KEY is missing",
                "AWS_REGION must be the name of a region",
                "AWS_ENDPOINT_URL_DYNAMODB must be an http or https address",
            ]
        );
        assert_eq!(faults(&[("AWS_REGION", "")]), ["AWS_REGION is missing"]);
    }

    #[test]
    fn another_dynamodb_has_an_address() {
        for good in [
            "",
            "http://127.0.0.1:8000",
            "https://[::1]/a",
            "http://db:1",
        ] {
            assert_eq!(faults(&[(ENDPOINT, good)]), [""; 0], "{good}");
        }
        for bad in ["http://", "ftp://db", "http:///x", "https://a b", "db"] {
            assert_eq!(faults(&[(ENDPOINT, bad)]).len(), 1, "{bad}");
        }
    }
}
