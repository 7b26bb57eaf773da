//! The control plane's state on DynamoDB.
//!
//! [`Store`] holds the client and the names of the tables. What belongs to a tenant hangs on a [`TenantStore`], which only
//! a [`TenantScope`] opens, and a scope comes from a verified credential, from a person's membership, from a sweep of what is
//! due, or from the creation of the tenant. So no caller can build another tenant's key. In the same way a [`PersonScope`]
//! opens what is a person's own.

mod agents;
mod audit;
mod call;
mod client;
mod connector;
mod credentials;
mod deployments;
mod error;
mod jobs;
mod keys;
mod limits;
mod memory;
mod people;
mod pools;
mod relays;
mod schema;
mod sessions;
mod settings;
mod statistics;
mod sweep;
mod tenants;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod testing;
mod transaction;
mod update;

pub use agents::{
    AgentEntry, AgentFilter, AgentOutcome, AgentPage, AgentPosition, DueAgent, SweptAgent,
};
pub use audit::{
    AuditExport, AuditFilter, AuditPage, AuditPosition, IntentKey, MAX_PAGE_RECORDS, end_of,
};
pub use client::client_from;
pub use credentials::{
    AgentCredential, AgentCredentialEntry, AgentCredentialPage, AgentCredentialPosition, ApiToken,
    ApiTokenPage, Creation, CredentialKind, KeyId, LEAST_OVERLAP_SECONDS, MAX_TRUST_RULES,
    NewAgentKey, NewApiToken, NewEnrolment, NewSecret, NewSigningKey, NotAKeyId, Presented, Proof,
    Registration, Revocation, Rotation, SessionKey, Subject, TokenCounts, TokenMember,
    TokenPosition, TrustRule, TrustRuleCreation, UnverifiedSigner, UnverifiedWorkload, UsedOnce,
    Verified, VerifyingMaterial,
};
pub use deployments::{
    DeploymentAction, DeploymentCounts, DeploymentCreation, DeploymentFilter, DeploymentOutcome,
    DeploymentPage, DeploymentPosition, NewDeployment,
};
pub use error::StoreError;
pub use jobs::{
    ClaimOrder, ClaimWish, Claimed, Enqueued, JobFilter, JobOrigin, JobOutcome, JobPage,
    JobPosition, NewJob, Returned, Swept,
};
pub use keys::DEADLINE_SHARDS;
pub use people::{
    Acceptance, Identity, Invitation, InvitationEnd, InvitationPage, InvitationPosition, Member,
    MemberHandle, MemberOutcome, MemberPage, Membership, NewInvitation, NewOrganisation, NewPerson,
    NotAHandle, NotAnIdentity, Organisation, Person, PersonScope, PersonStore, SignedIn,
};
pub use relays::{
    EventPage, EventPosition, MAX_RELAYS, NewRelayEnrolment, NewRelayKey, POLL_SHARDS, PolledPage,
    PolledPosition, RecordedEvent, RelayCreation, RelayEnrolment, RelayKey, RelayKeyRotation,
    Routing, RoutingOutcome,
};
pub use schema::{IndexSchema, Projection, TABLES, TableKind, TableSchema, Tables};
pub use sessions::{
    NewPersonSession, PersonSession, PersonSessionPage, SESSION_IDLE_SECONDS, SESSION_SECONDS,
};
pub use settings::FunctionSettings;
pub use statistics::{PoolQueues, RollUp, Statistics};
pub use sweep::SweptShard;
pub use update::Outcome;

use aws_sdk_dynamodb::Client;
use telemetry::Meter;
use wire::TenantId;

/// The state of the control plane.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Tables,
    meter: Meter,
    memory: memory::Memory,
}

impl Store {
    /// A store on these tables.
    pub fn new(client: Client, tables: Tables, meter: Meter) -> Self {
        Self {
            client,
            tables,
            meter,
            memory: memory::Memory::default(),
        }
    }

    /// What the operations have consumed.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The part of the store that belongs to one tenant.
    pub fn tenant<'a>(&'a self, scope: &'a TenantScope) -> TenantStore<'a> {
        TenantStore { store: self, scope }
    }
}

/// The right to read and write one tenant's data.
///
/// Invariant: made only inside this crate, from a verified credential, from a person's membership, from a key that this
/// crate wrote itself, or at the tenant's creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantScope(TenantId);

impl TenantScope {
    pub(crate) fn new(tenant: TenantId) -> Self {
        Self(tenant)
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.0
    }
}

/// One tenant's part of the store.
#[derive(Debug, Clone, Copy)]
pub struct TenantStore<'a> {
    store: &'a Store,
    scope: &'a TenantScope,
}

/// Names one write, so that it is recognised when its answer was lost: if a condition fails and the item bears the id of
/// this very write, the write had happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteId(String);

impl WriteId {
    /// The id made of eight random bytes.
    pub fn new(random: [u8; 8]) -> Self {
        Self(data_encoding::HEXLOWER.encode(&random))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_id_is_sixteen_hexadecimal_digits() {
        assert_eq!(WriteId::new([1; 8]).as_str(), "0101010101010101");
    }
}
