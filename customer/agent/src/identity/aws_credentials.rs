//! The AWS credentials of this process: from its environment, its container, or its machine, in that order.

use super::http::{Http, call, call_json};
use super::{Workload, variable};
use crate::settings::read_small;
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use std::path::Path;

const CONTAINER: &str = "the credentials service of the AWS container";
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const INSTANCE: &str = "the metadata service of the AWS instance";

/// Credentials to sign a call with.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) session_token: Option<SecretString>,
}

/// How containers and machines are given theirs.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

impl From<Given> for Keys {
    fn from(given: Given) -> Self {
        Self {
            id: given.access_key_id,
            secret: given.secret_access_key.into(),
            session_token: given.token.map(SecretString::from),
        }
    }
}

/// The credentials.
pub(super) async fn find_keys(http: &Http, workload: &Workload) -> Result<Keys, String> {
    let named = |name: &str| variable(&workload.environment, name);
    if let (Some(id), Some(secret)) = (named("AWS_ACCESS_KEY_ID"), named("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Keys {
            id: id.to_owned(),
            secret: secret.into(),
            session_token: named("AWS_SESSION_TOKEN").map(SecretString::from),
        });
    }
    if let Some(path) = named(RELATIVE) {
        // What follows the host without a slash could make it another host.
        if !path.starts_with('/') {
            return Err(format!("{RELATIVE} does not begin with a slash"));
        }
        let url = format!("{}{path}", workload.addresses.aws_container);
        let given: Given = call_json(CONTAINER, http.near().get(url)).await?;
        return Ok(given.into());
    }
    if let Some(address) = named("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        return from_full_address(http, workload, address).await;
    }
    from_instance(http, workload).await
}

/// An address that the container was given, with a token if it was given one.
async fn from_full_address(
    http: &Http,
    workload: &Workload,
    address: &str,
) -> Result<Keys, String> {
    const NAME: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let url = Url::parse(address).map_err(|_| format!("{NAME} is no address"))?;
    // The hosts that AWS's own SDKs allow: whoever can set a variable must not have the token sent anywhere.
    let near = crate::config::is_loopback(&url)
        || matches!(
            url.host_str(),
            Some("169.254.170.2" | "169.254.170.23" | "[fd00:ec2::23]")
        );
    if url.scheme() != "https" && !near {
        return Err(format!("{NAME} leads to another machine without TLS"));
    }
    let token = match variable(
        &workload.environment,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ) {
        Some(path) => {
            Some(read_small(Path::new(path)).map_err(|error| format!("{path}: {error}"))?)
        }
        None => {
            variable(&workload.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned)
        }
    };
    let mut request = http.for_address(address).get(url);
    if let Some(token) = token {
        request = request.header("authorization", token.trim());
    }
    let given: Given = call_json(CONTAINER, request).await?;
    Ok(given.into())
}

/// The role of the instance, by the second version of its metadata service.
async fn from_instance(http: &Http, workload: &Workload) -> Result<Keys, String> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let session = instance_session(http, workload).await?;
    let role = read_instance(http, workload, &session, ROLES).await?;
    let role = role.lines().next().unwrap_or_default().trim().to_owned();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if role.is_empty() || !role.bytes().all(allowed) {
        return Err(format!("{INSTANCE}: the instance has no role"));
    }
    let given = read_instance(http, workload, &session, &format!("{ROLES}{role}")).await?;
    let given: Given = serde_json::from_str(&given)
        .map_err(|_| format!("{INSTANCE}: the answer is not what it should be"))?;
    Ok(given.into())
}

/// The region: that of the environment, or that of the instance.
pub(super) async fn find_region(http: &Http, workload: &Workload) -> Result<String, String> {
    const PLACE: &str = "/latest/meta-data/placement/region";
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| variable(&workload.environment, name));
    let region = if let Some(region) = named {
        region.to_owned()
    } else {
        let session = instance_session(http, workload).await?;
        read_instance(http, workload, &session, PLACE).await?
    };
    // It becomes a part of a host's name.
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let region = region.trim();
    if region.is_empty() || !region.bytes().all(allowed) {
        return Err("there is no AWS region; set AWS_REGION".to_owned());
    }
    Ok(region.to_owned())
}

async fn instance_session(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let url = format!("{}/latest/api/token", workload.addresses.aws_instance);
    let request = http
        .near()
        .put(url)
        .header("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let (_, token) = call(INSTANCE, request).await?;
    Ok(SecretString::from(token))
}

async fn read_instance(
    http: &Http,
    workload: &Workload,
    session: &SecretString,
    path: &str,
) -> Result<String, String> {
    use secrecy::ExposeSecret;
    let url = format!("{}{path}", workload.addresses.aws_instance);
    let request = http
        .near()
        .get(url)
        .header("x-aws-ec2-metadata-token", session.expose_secret());
    Ok(call(INSTANCE, request).await?.1)
}
