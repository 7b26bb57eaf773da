//! Azure: the instance metadata service hands out tokens of the machine's managed identity.
//!
//! It keeps each token for up to a day, and a token registers once and within ten minutes of its making. So it is told to get
//! another from Entra: `bypass_cache=true`, which Microsoft's description of the service has from version 2018-10-01 on. What
//! stands in for the service may not know the parameter: then it is asked without.

use super::http::{Http, call_for_any};
use super::{Workload, variable};
use secrecy::SecretString;
use serde::Deserialize;

const WHAT: &str = "the instance metadata service of Azure";

/// How the service says that it does not understand a request.
const BAD_REQUEST: u16 = 400;

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

/// A token of the machine's managed identity; with several, of the one that `AZURE_CLIENT_ID` names.
pub(super) async fn token(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let (mut status, mut body) = ask(http, workload, true).await?;
    if status == BAD_REQUEST {
        (status, body) = ask(http, workload, false).await?;
    }
    if !(200..300).contains(&status) {
        return Err(format!("{WHAT}: status {status}"));
    }
    // What serde says quotes the answer.
    let answer: Answer = serde_json::from_str(&body)
        .map_err(|_| format!("{WHAT}: the answer is not what it should be"))?;
    Ok(SecretString::from(answer.access_token))
}

async fn ask(http: &Http, workload: &Workload, fresh: bool) -> Result<(u16, String), String> {
    let url = format!(
        "{}/metadata/identity/oauth2/token",
        workload.addresses.azure
    );
    let mut query = vec![
        ("api-version", "2018-10-01"),
        ("resource", workload.audience.as_str()),
    ];
    if let Some(client) = variable(&workload.environment, "AZURE_CLIENT_ID") {
        query.push(("client_id", client));
    }
    if fresh {
        query.push(("bypass_cache", "true"));
    }
    let request = http
        .near()
        .get(url)
        .query(&query)
        .header("Metadata", "true");
    let (status, _, body) = call_for_any(WHAT, request).await?;
    Ok((status, body))
}
