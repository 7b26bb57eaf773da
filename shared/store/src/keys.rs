//! Every key of every item and index, tenant first where there is one. Nothing else in the crate writes a key by hand.

use crate::{KeyId, MemberHandle, TenantScope};
use data_encoding::HEXLOWER;
use domain::Timestamp;
use std::net::IpAddr;
use wire::relay::RoleArn;
use wire::{
    AgentId, DeploymentId, EventId, JobId, PoolName, RelayId, ServiceName, TenantId, UserId,
};

/// Milliseconds as 13 digits, so that keys sort as times do until the year 2286.
pub(crate) fn millis(at: Timestamp) -> String {
    format!("{:013}", at.as_millis().max(0))
}

/// How many partitions the deadline indexes are spread over.
pub const DEADLINE_SHARDS: u32 = 4;

/// A shard that belongs to the text: the same text, the same shard (FNV-1a).
pub(crate) fn shard_of(text: &str, shards: u32) -> u32 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % shards.max(1)
}

/// The partition of the deadline index that the entry of that id stands in.
pub(crate) fn deadline_partition(id: &str) -> String {
    deadline_shard(shard_of(id, DEADLINE_SHARDS))
}

/// One partition of the deadline index.
pub(crate) fn deadline_shard(shard: u32) -> String {
    format!("L#{shard}")
}

/// A deadline: what has to be looked at by then.
pub(crate) fn deadline_sort(at: Timestamp, tenant: &TenantId, id: &str) -> String {
    format!("{}#{tenant}#{id}", millis(at))
}

/// The tenant and id of a deadline's sort key.
pub(crate) fn parse_deadline_sort(sort: &str) -> Option<(TenantScope, &str)> {
    let mut parts = sort.splitn(3, '#');
    let _at = parts.next()?;
    let tenant = TenantId::parse(parts.next()?).ok()?;
    Some((TenantScope::new(tenant), parts.next()?))
}

/// The partition of the register of tenants, in the deadline index of the agents table.
pub(crate) fn tenants_shard(shard: u32) -> String {
    format!("R#{shard}")
}

/// The counts of sign-ins from an address.
pub(crate) fn sign_ins(from: IpAddr) -> String {
    format!("SI#{from}")
}

/// One partition of the register of relays whose queues the control plane reads.
pub(crate) fn poll_shard(shard: u32) -> String {
    format!("PO#{shard}")
}

/// Whose a customer's role is: a role has one organisation, so its partition is of none.
pub(crate) fn role(role: &RoleArn) -> String {
    format!("ROLE#{role}")
}

/// Whose a queue is that lets the control plane in without a role.
pub(crate) fn queue(address: &str) -> String {
    format!("QUEUE#{address}")
}

impl TenantScope {
    /// A key of this tenant.
    fn key(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("T#{}#{rest}", self.tenant())
    }

    pub(crate) fn job(&self, job: &JobId) -> String {
        self.key(format_args!("J#{job}"))
    }

    pub(crate) fn ready(&self, pool: &PoolName, shard: u32) -> String {
        self.key(format_args!("P#{pool}#R#{shard}"))
    }

    pub(crate) fn not_due(&self, pool: &PoolName) -> String {
        self.key(format_args!("P#{pool}#D"))
    }

    pub(crate) fn created_jobs(&self) -> String {
        self.key(format_args!("C"))
    }

    /// The partition of the state index with the jobs of one group: `LIVE` or the status of ended ones.
    pub(crate) fn state(&self, group: &str) -> String {
        self.key(format_args!("S#{group}"))
    }

    /// Roll-ups of one pool; of the whole tenant for `*`.
    pub(crate) fn statistics(&self, pool: &str) -> String {
        self.key(format_args!("ST#{pool}"))
    }

    pub(crate) fn agent(&self, agent: &AgentId) -> String {
        self.key(format_args!("A#{agent}"))
    }

    /// Agents that have a session.
    pub(crate) fn live_agents(&self) -> String {
        self.key(format_args!("A#LIVE"))
    }

    /// Agents that were lost and have not been heard of since.
    pub(crate) fn lost_agents(&self) -> String {
        self.key(format_args!("A#LOST"))
    }

    /// Agents that deregistered.
    pub(crate) fn gone_agents(&self) -> String {
        self.key(format_args!("A#GONE"))
    }

    /// Keys that are revoked, and whose agents are still to be ended.
    pub(crate) fn revoking(&self) -> String {
        self.key(format_args!("RV"))
    }

    /// Counts of requests, by class and window.
    pub(crate) fn requests(&self) -> String {
        self.key(format_args!("RL"))
    }

    pub(crate) fn pool(&self, pool: &PoolName) -> String {
        self.key(format_args!("P#{pool}"))
    }

    pub(crate) fn pools(&self) -> String {
        self.key(format_args!("P"))
    }

    pub(crate) fn tenant_item(&self) -> String {
        self.key(format_args!("TENANT"))
    }

    pub(crate) fn deployment(&self, deployment: &DeploymentId) -> String {
        self.key(format_args!("D#{deployment}"))
    }

    pub(crate) fn deployments(&self) -> String {
        self.key(format_args!("D"))
    }

    /// The counts of deployments: of all time, and of each day.
    pub(crate) fn deployment_counts(&self) -> String {
        self.key(format_args!("DC"))
    }

    pub(crate) fn service(&self, service: &ServiceName) -> String {
        self.key(format_args!("V#{service}"))
    }

    pub(crate) fn services(&self) -> String {
        self.key(format_args!("V"))
    }

    /// A relay, and its routing rules.
    pub(crate) fn relay(&self, relay: &RelayId) -> String {
        self.key(format_args!("RL#{relay}"))
    }

    pub(crate) fn relays(&self) -> String {
        self.key(format_args!("RL"))
    }

    /// An event of a relay.
    pub(crate) fn event(&self, relay: &RelayId, event: &EventId) -> String {
        self.key(format_args!("RL#{relay}#EV#{event}"))
    }

    pub(crate) fn relay_events(&self, relay: &RelayId) -> String {
        self.key(format_args!("RL#{relay}#EV"))
    }

    /// The pages of the record of who did what.
    pub(crate) fn audit_chain(&self) -> String {
        self.key(format_args!("A"))
    }

    /// What is about to be recorded.
    pub(crate) fn audit_intents(&self) -> String {
        self.key(format_args!("I"))
    }

    pub(crate) fn organisation(&self) -> String {
        self.key(format_args!("O"))
    }

    /// Who is in the organisation, by person.
    pub(crate) fn members(&self) -> String {
        self.key(format_args!("M"))
    }

    /// The invitations that are open.
    pub(crate) fn invitations(&self) -> String {
        self.key(format_args!("V"))
    }

    /// The API tokens that are not revoked, in the list of credentials.
    pub(crate) fn api_tokens(&self) -> String {
        self.key(format_args!("K"))
    }

    /// The agent keys that are not revoked, in the list of credentials.
    pub(crate) fn agent_keys(&self) -> String {
        self.key(format_args!("AK"))
    }

    /// The enrolment tokens that are neither revoked nor used, in the list of credentials.
    pub(crate) fn enrolments(&self) -> String {
        self.key(format_args!("EK"))
    }

    /// The signing keys that are not revoked, in the list of credentials.
    pub(crate) fn signing_keys(&self) -> String {
        self.key(format_args!("SK"))
    }

    /// The rules by which workloads' tokens are accepted, and their count.
    pub(crate) fn trust_rules(&self) -> String {
        self.key(format_args!("TR"))
    }
}

/// A person: who they are, and their memberships.
pub(crate) fn person(user: &UserId) -> String {
    format!("U#{user}")
}

/// Who somebody is to a provider, by the digest of issuer and subject.
pub(crate) fn identity(sha256: &[u8; 32]) -> String {
    format!("I#{}", HEXLOWER.encode(sha256))
}

/// A membership.
pub(crate) fn membership(handle: &MemberHandle) -> String {
    format!("M#{handle}")
}

/// An invitation. Whoever brings one does not know yet whose it is.
pub(crate) fn invitation(key: &KeyId) -> String {
    format!("V#{key}")
}

/// The key id of an invitation's key.
pub(crate) fn parse_invitation(partition: &str) -> Option<KeyId> {
    KeyId::parse(partition.strip_prefix("V#")?).ok()
}

/// A person's session, by the digest of its secret.
pub(crate) fn person_session(secret_sha256: &[u8; 32]) -> String {
    format!("S#{}", HEXLOWER.encode(secret_sha256))
}

/// What was good once and is used, by its digest.
pub(crate) fn used_once(sha256: &[u8; 32]) -> String {
    format!("X#{}", HEXLOWER.encode(sha256))
}

/// A moment and what happened at it: entries in the order of time.
pub(crate) fn dated(at: Timestamp, id: &str) -> String {
    format!("{}#{id}", millis(at))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_deadline_gives_back_its_tenant_and_id() {
        let tenant = TenantId::parse("acme").unwrap();
        let sort = deadline_sort(Timestamp::from_millis(1_700_000_000_000), &tenant, "job-1");
        assert_eq!(sort, "1700000000000#acme#job-1");
        let (scope, id) = parse_deadline_sort(&sort).unwrap();
        assert_eq!((scope.tenant(), id), (&tenant, "job-1"));
    }

    #[test]
    fn every_key_of_a_tenant_begins_with_the_tenant() {
        let scope = TenantScope::new(TenantId::parse("acme").unwrap());
        let pool = PoolName::parse("default").unwrap();
        for key in [
            scope.ready(&pool, 0),
            scope.not_due(&pool),
            scope.created_jobs(),
            scope.pools(),
            scope.tenant_item(),
        ] {
            assert!(key.starts_with("T#acme#"), "{key}");
        }
    }
}
