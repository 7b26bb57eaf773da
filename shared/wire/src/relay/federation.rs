//! How the control plane is let in to queues of Azure and Google Cloud, without a key that anybody keeps: the customer's cloud
//! believes tokens of the control plane's own identity, made out for this relay alone.

use crate::Invalid;
use crate::text::{checked_text, invalid};
use serde::{Deserialize, Serialize};

checked_text! {
    /// The id of a directory or an application of Microsoft Entra: a UUID in lower case.
    EntraId, check_entra, { max_length = 36, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", example = "3f2504e0-4f89-41d3-9a0c-0305e82c3301" }
}
checked_text! {
    /// A provider of a workload identity pool of Google Cloud:
    /// `projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>`.
    WorkloadProvider, check_workload_provider, { max_length = 160, example = "projects/123456789012/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane" }
}
checked_text! {
    /// A service account of Google Cloud: `<name>@<project>.iam.gserviceaccount.com`.
    ServiceAccount, check_service_account, { max_length = 100, example = "hybrid-ci@example-project.iam.gserviceaccount.com" }
}

/// Who the control plane is in the customer's cloud. What it shows there is a token whose audience is the relay's
/// `external_id`: the customer's cloud must believe no other, so that nobody gets us to use this identity for another relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Federation {
    /// An application or a managed identity of Microsoft Entra with a federated credential.
    Azure {
        /// The directory, also called tenant.
        directory_id: EntraId,
        /// The application, or the managed identity, by its client id.
        client_id: EntraId,
    },
    /// A workload identity pool of Google Cloud.
    Gcp {
        /// The provider of the pool.
        workload_provider: WorkloadProvider,
        /// The service account to act as. Without one the pool's own principal is what has the roles.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_account: Option<ServiceAccount>,
    },
}

fn check_entra(text: &str) -> Result<(), Invalid> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let lengths = text.split('-').map(str::len);
    let good = lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || hex(byte));
    if good {
        Ok(())
    } else {
        invalid("must be a UUID in lower case, such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    }
}

/// `a-z 0-9 -`, beginning with a letter or digit.
fn is_slug(text: &str, (least, most): (usize, usize)) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (least..=most).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

fn check_workload_provider(text: &str) -> Result<(), Invalid> {
    let parts: Vec<&str> = text.splitn(9, '/').collect();
    let good = match parts.as_slice() {
        [
            "projects",
            number,
            "locations",
            "global",
            "workloadIdentityPools",
            pool,
            "providers",
            provider,
        ] => {
            (1..=20).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && is_slug(pool, (4, 32))
                && is_slug(provider, (4, 32))
        }
        _ => false,
    };
    if good {
        Ok(())
    } else {
        invalid(
            "must be projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>",
        )
    }
}

fn check_service_account(text: &str) -> Result<(), Invalid> {
    let parts = text
        .strip_suffix(".iam.gserviceaccount.com")
        .and_then(|rest| rest.split_once('@'));
    match parts {
        Some((name, project)) if is_slug(name, (6, 30)) && is_slug(project, (6, 30)) => Ok(()),
        _ => invalid("must be <name>@<project>.iam.gserviceaccount.com"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_federation_reads_as_it_is_written() {
        for text in [
            r#"{"kind":"AZURE","directory_id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","client_id":"00000000-0000-0000-0000-000000000001"}"#,
            r#"{"kind":"GCP","workload_provider":"projects/123/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane"}"#,
            r#"{"kind":"GCP","workload_provider":"projects/123/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane","service_account":"hybrid-ci@example-project.iam.gserviceaccount.com"}"#,
        ] {
            let federation: Federation = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&federation).unwrap(), text);
        }
    }

    #[test]
    fn what_could_lead_a_call_elsewhere_is_refused() {
        for bad in [
            "",
            "common",
            "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330/",
            "3f2504e04f8941d39a0c0305e82c3301----",
            "../../../../oauth2/v2.0/token?x=12345",
        ] {
            assert!(EntraId::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "projects/x/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane",
            "projects/1/locations/eu/workloadIdentityPools/hybrid-ci/providers/control-plane",
            "projects/1/locations/global/workloadIdentityPools/hybrid-ci/providers/control-plane/x",
            "projects/1/locations/global/workloadIdentityPools/hybrid ci/providers/control-plane",
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/abcd/providers/abcd",
        ] {
            assert!(WorkloadProvider::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "hybrid-ci@example.com",
            "hybrid-ci@a/b.iam.gserviceaccount.com",
            "hybrid:ci@example-project.iam.gserviceaccount.com",
            "@.iam.gserviceaccount.com",
        ] {
            assert!(ServiceAccount::parse(bad).is_err(), "{bad}");
        }
    }
}
