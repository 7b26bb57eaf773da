//! What people and relays say to `/api/relays`.

use super::event::{Label, RelayInstance};
use super::federation::Federation;
use crate::check::{Check, Fault};
use crate::text::{KeyName, RelayId, checked_text, invalid, refuse_credentials};
use crate::{Invalid, QueueProvider, RelayHealth, Timestamp};
use serde::{Deserialize, Serialize};

checked_text! {
    /// What people call a relay: 1 to 64 of `a-z 0-9 - _ .`.
    RelayName, crate::text::check_name, { max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "github-eu" }
}
checked_text! {
    /// Where a secret is, never the secret: `<provider>://…`, the provider one of `aws-secrets-manager`, `aws-ssm`, `hashicorp`,
    /// `gcp`, `azure`, `env`, `file`. Up to 256 printable ASCII characters.
    VaultReference, check_vault, { max_length = 256, example = "aws-secrets-manager://hybrid-ci/webhooks" }
}
checked_text! {
    /// An IAM role in the customer's account: `arn:aws:iam::<12 digits>:role/hybrid-ci…`, where its name or its path begins with
    /// `hybrid-ci`. The control plane may assume no other.
    RoleArn, check_role, { max_length = 256, example = "arn:aws:iam::123456789012:role/hybrid-ci-orchestrator" }
}

/// The providers that a vault reference may begin with.
const VAULTS: [&str; 7] = [
    "aws-secrets-manager",
    "aws-ssm",
    "hashicorp",
    "gcp",
    "azure",
    "env",
    "file",
];

fn check_vault(text: &str) -> Result<(), Invalid> {
    let path = text
        .split_once("://")
        .filter(|(provider, _)| VAULTS.contains(provider))
        .map(|(_, path)| path);
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\');
    match path {
        Some(path) if !path.is_empty() && text.len() <= 256 && path.bytes().all(plain) => {
            refuse_credentials(text)
        }
        Some(_) | None => invalid(format!(
            "must be <provider>://<path> of up to 256 printable characters, the provider one of {}",
            VAULTS.join(", ")
        )),
    }
}

/// What a role's name or path begins with. Our own policy allows no other to be assumed, whoever names it.
const ROLE_PREFIX: &str = "hybrid-ci";

fn check_role(text: &str) -> Result<(), Invalid> {
    const WHAT: &str = "must be arn:aws:iam::<12 digits>:role/<name>, where the name, or the path before it, begins with \
                        hybrid-ci: the control plane may assume no other role";
    let mut parts = text.splitn(6, ':');
    let head = (
        parts.next(),
        parts.next().unwrap_or_default(),
        parts.next(),
        parts.next(),
    );
    let account = parts.next().unwrap_or_default();
    let name = parts
        .next()
        .and_then(|resource| resource.strip_prefix("role/"))
        .unwrap_or_default();
    let partition = matches!(head.1, "aws" | "aws-us-gov" | "aws-cn");
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'=' | b',' | b'.' | b'@' | b'_' | b'-' | b'/')
    };
    let good = head.0 == Some("arn")
        && partition
        && head.2 == Some("iam")
        && head.3 == Some("")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && name.starts_with(ROLE_PREFIX)
        && text.len() <= 256
        && name.bytes().all(allowed);
    if good { Ok(()) } else { invalid(WHAT) }
}

/// A queue in the customer's account, by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueReference {
    /// Whose queue it is.
    pub provider: QueueProvider,
    /// Where it is. `AWS_SQS`: the queue's URL. `AZURE_SERVICE_BUS`: `https://<namespace>.servicebus.windows.net/<queue>`.
    /// `GCP_PUBSUB`: `projects/<project>/subscriptions/<name>` to read from, `projects/<project>/topics/<name>` to send to.
    pub address: String,
}

/// A relay is to be set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateRelayRequest {
    /// What people call it.
    pub name: RelayName,
    /// The queue that it puts events on and the control plane reads.
    pub inbound_queue: QueueReference,
    /// The queue that the control plane sends decisions to. Without one, rules that decide or notify are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_queue: Option<QueueReference>,
    /// The queue that messages go to which the control plane read and does not believe, each with the reason as its subject. Without
    /// one they stay where they are, and the inbound queue's own settings decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<QueueReference>,
    /// The role in the customer's account that the control plane assumes to reach them. For queues of AWS, and needed there
    /// unless the inbound queue triggers the control plane and there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<RoleArn>,
    /// Who the control plane is in the customer's cloud. Needed for queues of Azure and Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<Federation>,
    /// Where the relay finds the secrets of its webhooks: a reference, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultReference>,
}

impl Check for CreateRelayRequest {}

/// A relay brings the public key that it will sign with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolRelayRequest {
    /// The Ed25519 public key, 32 bytes in Base64 (standard alphabet, padded).
    pub public_key: String,
}

impl Check for EnrolRelayRequest {}

/// A relay's key is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolRelayResponse {
    /// The relay.
    pub relay_id: RelayId,
    /// The id that its signatures name the key by.
    pub key_id: KeyName,
    /// When the key ends.
    pub expires_at: Timestamp,
    /// How often the relay is to be heard of.
    pub heartbeat_interval_seconds: u32,
}

/// A relay says that it is there, and how it does. Every count is since the start of that process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RelayHeartbeatRequest {
    /// The relay's version.
    pub version: Label,
    /// Which of the relay's processes this is.
    pub instance: RelayInstance,
    /// How many messages it has put on the queue: the number of the last one.
    pub sent: u64,
    /// How many webhooks it has refused.
    pub refused: u64,
    /// How many of those were deliveries that it had seen before.
    pub duplicates: u64,
    /// Whether the queue takes messages.
    pub queue_reachable: bool,
    /// Whether the vault gives the secrets.
    pub vault_reachable: bool,
    /// How many messages wait on the queue, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth: Option<u64>,
}

impl Check for RelayHeartbeatRequest {
    fn check(&self, _faults: &mut Vec<Fault>) {}
}

/// What a relay is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RelayHeartbeatResponse {
    /// The relay.
    pub relay_id: RelayId,
    /// How it stands.
    pub health: RelayHealth,
    /// When to be heard of next.
    pub next_heartbeat_seconds: u32,
    /// When the key that signed this ends.
    pub key_expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_that_was_made_for_us() {
        for good in [
            "arn:aws:iam::123456789012:role/hybrid-ci",
            "arn:aws:iam::123456789012:role/hybrid-ci-orchestrator",
            "arn:aws-us-gov:iam::123456789012:role/hybrid-ci/eu/reader",
        ] {
            assert!(RoleArn::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/admin",
            "arn:aws:iam::123456789012:role/x/hybrid-ci",
            "arn:aws:iam::123456789012:role/Hybrid-CI",
            "arn:aws:iam::123456789012:role/hybrid-ci*",
            "arn:aws:iam::12345678901:role/hybrid-ci",
            "arn:aws:iam::123456789012:user/hybrid-ci",
            "arn:aws:sts::123456789012:role/hybrid-ci",
            "arn:evil:iam::123456789012:role/hybrid-ci",
        ] {
            assert!(RoleArn::parse(bad).is_err(), "{bad}");
        }
    }
}
