//! GitHub Actions: a job with the permission `id-token: write` may ask for tokens of its own.

use super::http::{Http, call_json};
use super::{Workload, variable};
use secrecy::SecretString;
use serde::Deserialize;

/// Where the job may ask.
pub(super) const ADDRESS: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// With what.
pub(super) const BEARER: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

#[derive(Deserialize)]
struct Answer {
    value: String,
}

/// A token of the workflow's run.
pub(super) async fn token(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let named = |name: &str| {
        variable(&workload.environment, name).ok_or_else(|| {
            format!(
                "{name} is not set: the job in GitHub Actions needs `permissions: id-token: write`"
            )
        })
    };
    let address = named(ADDRESS)?;
    let bearer = named(BEARER)?;
    let request = http
        .for_address(address)
        .get(address)
        .query(&[("audience", &workload.audience)])
        .bearer_auth(bearer);
    let answer: Answer = call_json("the token service of GitHub Actions", request).await?;
    Ok(SecretString::from(answer.value))
}
