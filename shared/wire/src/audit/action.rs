//! What can be done, in words that stay as they are: people search for them, and years later.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such action; the actions are {}", Action::ALL.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownAction;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $word)] $variant),+
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The action in words.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

actions! {
    /// A job was put in line.
    JobEnqueued = "job.enqueued",
    /// A job came to its end.
    JobEnded = "job.ended",
    /// A job was cancelled, or its agent asked to stop it.
    JobCancel = "job.cancel",
    /// The priority of a job was changed.
    JobReprioritise = "job.reprioritise",
    /// An ended job was put in line again.
    JobRetry = "job.retry",
    /// A job was closed by hand.
    JobClose = "job.close",
    /// What is lost and overdue was looked after on demand.
    QueueSweep = "queue.sweep",
    /// An agent registered.
    AgentRegister = "agent.register",
    /// An agent was asked to drain, to pause, or to take work again.
    AgentStatus = "agent.status",
    /// An agent was deregistered.
    AgentDeregister = "agent.deregister",
    /// An agent was declared lost.
    AgentLost = "agent.lost",
    /// A pool was created.
    PoolCreate = "pool.create",
    /// The settings of a pool were changed.
    PoolUpdate = "pool.update",
    /// The size of a pool was set.
    PoolScale = "pool.scale",
    /// A pool is being emptied.
    PoolDrain = "pool.drain",
    /// A pool was deleted.
    PoolDelete = "pool.delete",
    /// A deployment was created.
    DeploymentCreate = "deployment.create",
    /// A deployment went to staging.
    DeploymentStage = "deployment.stage",
    /// A deployment went to production.
    DeploymentPromote = "deployment.promote",
    /// A deployment was given up.
    DeploymentFail = "deployment.fail",
    /// A deployment was rolled back.
    DeploymentRollBack = "deployment.roll_back",
    /// An API token was created.
    TokenCreate = "token.create",
    /// An API token was replaced by a new one.
    TokenRotate = "token.rotate",
    /// An API token was revoked.
    TokenRevoke = "token.revoke",
    /// An agent key was created.
    AgentKeyCreate = "agent_key.create",
    /// An agent key was replaced by a new one.
    AgentKeyRotate = "agent_key.rotate",
    /// An agent key was revoked.
    AgentKeyRevoke = "agent_key.revoke",
    /// An enrolment token was created.
    EnrolmentCreate = "enrolment.create",
    /// An enrolment token was revoked.
    EnrolmentRevoke = "enrolment.revoke",
    /// A signing key was added.
    SigningKeyCreate = "signing_key.create",
    /// A signing key was revoked.
    SigningKeyRevoke = "signing_key.revoke",
    /// A trust rule was created.
    TrustRuleCreate = "trust_rule.create",
    /// A trust rule was deleted.
    TrustRuleDelete = "trust_rule.delete",
    /// A relay was set up.
    RelayCreate = "relay.create",
    /// A relay was deleted.
    RelayDelete = "relay.delete",
    /// A relay brought its key with a token.
    RelayEnrol = "relay.enrol",
    /// A relay replaced its key, or was given a token to bring another with.
    RelayRotate = "relay.rotate",
    /// What becomes of a relay's events was changed.
    RelayRouting = "relay.routing",
    /// Somebody signed in.
    SessionCreate = "session.create",
    /// Somebody signed out.
    SessionEnd = "session.end",
    /// A session was revoked.
    SessionRevoke = "session.revoke",
    /// All sessions of a person were revoked.
    SessionRevokeAll = "session.revoke_all",
    /// Somebody went over to another of their organisations.
    SessionSwitch = "session.switch",
    /// An organisation was created.
    OrganisationCreate = "organisation.create",
    /// An organisation was changed.
    OrganisationUpdate = "organisation.update",
    /// Somebody joined the organisation.
    MemberJoin = "member.join",
    /// The role of a member was changed.
    MemberRole = "member.role",
    /// A member was removed.
    MemberRemove = "member.remove",
    /// A member left.
    MemberLeave = "member.leave",
    /// Somebody was invited.
    InvitationCreate = "invitation.create",
    /// An invitation was revoked.
    InvitationRevoke = "invitation.revoke",
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Action {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let words = Self::ALL.iter().map(|action| action.as_str());
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(words))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Action {}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        let known = Self::ALL.iter().copied();
        known
            .into_iter()
            .find(|action| action.as_str() == word)
            .ok_or(UnknownAction)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn an_action_is_a_kind_of_thing_and_what_was_done_to_it() {
        for action in Action::ALL {
            let word = action.as_str();
            let (kind, done) = word.split_once('.').unwrap();
            for part in [kind, done] {
                let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                assert!(!part.is_empty() && part.bytes().all(allowed), "{word}");
            }
            assert_eq!(word.parse(), Ok(*action));
            assert_eq!(serde_json::to_value(action).unwrap(), word);
        }
        assert_eq!("job.eat".parse::<Action>(), Err(UnknownAction));
    }
}
