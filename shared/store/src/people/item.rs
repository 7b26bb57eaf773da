//! People as items. What DynamoDB reserves as a word is not an attribute's name here, but for `role`.

use super::MemberHandle;
use crate::credentials::hex;
use serde::{Deserialize, Serialize};
use wire::{Role, SessionId, ShortText, TenantId, UserId};

/// The sort keys of items that stand alone in their partition.
pub(super) const PERSON: &str = "P";
pub(super) const IDENTITY: &str = "I";
pub(super) const ORGANISATION: &str = "O";
pub(crate) const MEMBERSHIP: &str = "M";
pub(super) const INVITATION: &str = "V";

/// What the sort keys of a person's memberships begin with.
pub(super) const MEMBERSHIPS: &str = "M#";

/// The sort key of a person's membership of that tenant.
pub(super) fn membership_sort(tenant: &TenantId) -> String {
    format!("{MEMBERSHIPS}{tenant}")
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PersonItem {
    pub(super) user_id: UserId,
    pub(super) display_name: ShortText,
    pub(super) created_ms: i64,
    /// In how many organisations they are.
    pub(super) organisations: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdentityItem {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) user_id: UserId,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OrganisationItem {
    pub(super) title: ShortText,
    pub(super) created_ms: i64,
    pub(super) owners: u64,
    pub(super) members: u64,
    pub(super) revision: u64,
}

/// A membership, under its handle: the one place that says what somebody is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MembershipItem {
    pub(crate) handle: MemberHandle,
    pub(crate) tenant: TenantId,
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
    pub(crate) joined_ms: i64,
    pub(crate) revision: u64,
    /// Sessions from before then have ended, but for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sessions_from_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_kept: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) write_id: Option<String>,
}

/// Leads to a membership: from the tenant and the person, and from the person and the tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PointerItem {
    pub(super) handle: MemberHandle,
    pub(super) joined_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InvitationItem {
    pub(super) tenant: TenantId,
    pub(super) role: Role,
    #[serde(with = "hex")]
    pub(super) secret_sha256: [u8; 32],
    pub(super) created_by: String,
    /// The membership that may invite, and must still do so when the invitation is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) creator: Option<MemberHandle>,
    pub(super) created_ms: i64,
    pub(super) expires_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) used_by: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) used_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked_ms: Option<i64>,
    pub(super) expires_at_seconds: i64,
}
