//! Google Cloud: the metadata server signs tokens for the service account of the machine.

use super::Workload;
use super::http::{Http, call};
use secrecy::SecretString;

const WHAT: &str = "the metadata server of Google Cloud";

/// A token of the machine's service account.
pub(super) async fn token(http: &Http, workload: &Workload) -> Result<SecretString, String> {
    let url = format!(
        "{}/computeMetadata/v1/instance/service-accounts/default/identity",
        workload.addresses.gcp
    );
    let request = http
        .near()
        .get(url)
        .query(&[("audience", workload.audience.as_str()), ("format", "full")])
        .header("Metadata-Flavor", "Google");
    let (headers, token) = call(WHAT, request).await?;
    // Whoever answers without it is somebody else.
    if headers
        .get("metadata-flavor")
        .is_none_or(|value| value != "Google")
    {
        return Err(format!("{WHAT}: somebody else answers in its place"));
    }
    Ok(SecretString::from(token))
}
