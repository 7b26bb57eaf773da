//! Azure: the instance metadata service hands out tokens of the machine's managed identity.

use super::http::{Http, call_json};
use super::{Workload, variable};
use secrecy::SecretString;
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

/// A token of the machine's managed identity; with several, of the one that `AZURE_CLIENT_ID` names.
pub(super) async fn token(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let url = format!(
        "{}/metadata/identity/oauth2/token",
        workload.addresses.azure
    );
    let mut query = vec![
        ("api-version", "2018-02-01"),
        ("resource", workload.audience.as_str()),
    ];
    if let Some(client) = variable(&workload.environment, "AZURE_CLIENT_ID") {
        query.push(("client_id", client));
    }
    let request = http
        .near()
        .get(url)
        .query(&query)
        .header("Metadata", "true");
    let answer: Answer = call_json("the instance metadata service of Azure", request).await?;
    Ok(SecretString::from(answer.access_token))
}
