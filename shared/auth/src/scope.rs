//! What a credential may do, in the words that tokens are created with.

use std::fmt;
use std::str::FromStr;

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such scope; the scopes are {}", Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownScope;

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// One thing that a credential may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope {
            $($(#[$doc])* $variant),+
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The scope in words.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

scopes! {
    /// Read jobs and statistics.
    JobsRead = "jobs:read",
    /// Enqueue, cancel, reprioritise and retry jobs.
    JobsWrite = "jobs:write",
    /// Claim, start and complete jobs. Agents alone have it.
    QueueClaim = "queue:claim",
    /// Read agents and pools.
    AgentsRead = "agents:read",
    /// Drain, pause and deregister agents; create, change and delete pools.
    AgentsWrite = "agents:write",
    /// Say that an agent is alive. Agents alone have it.
    AgentsHeartbeat = "agents:heartbeat",
    /// Register an agent. Agent keys alone have it.
    AgentsRegister = "agents:register",
    /// Read deployments and services.
    DeploymentsRead = "deployments:read",
    /// Create and move deployments.
    DeploymentsWrite = "deployments:write",
    /// Read one's own API tokens, and with `admin` everybody's. Never a secret.
    TokensRead = "tokens:read",
    /// Create, rotate and revoke one's own API tokens, and with `admin` revoke everybody's.
    TokensWrite = "tokens:write",
    /// Read who is in the organisation, and who is invited.
    MembersRead = "members:read",
    /// Invite, change and remove members. It takes a session: tokens do not have it.
    MembersWrite = "members:write",
    /// Decide which machines may become agents: agent keys, enrolment tokens, trust rules, signing keys.
    AgentsEnrol = "agents:enrol",
    /// Read relays, their routing rules and their events.
    RelaysRead = "relays:read",
    /// Set up and delete relays, replace their keys, and decide what becomes of their events.
    RelaysManage = "relays:manage",
    /// Say that a relay is alive, and replace its key by the next. Relays alone have it.
    RelaysHeartbeat = "relays:heartbeat",
    /// Bring the key that a relay signs with. Enrolment tokens of relays alone have it.
    RelaysEnrol = "relays:enrol",
    /// Read the record of who did what.
    AuditRead = "audit:read",
    /// Everything that a person or a token can do, and what only an administrator may.
    Admin = "admin",
}

impl Scope {
    /// Whether no person and no token can have it.
    pub const fn is_of_machines_alone(self) -> bool {
        matches!(
            self,
            Self::QueueClaim
                | Self::AgentsHeartbeat
                | Self::AgentsRegister
                | Self::RelaysHeartbeat
                | Self::RelaysEnrol
        )
    }

    /// Whether it opens nothing to a token, so that none is made with it: it is for people who have signed in.
    pub const fn is_for_sessions_alone(self) -> bool {
        matches!(self, Self::MembersWrite)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == word)
            .ok_or(UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_its_word() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
        }
        assert_eq!("jobs:own".parse::<Scope>(), Err(UnknownScope));
    }
}
