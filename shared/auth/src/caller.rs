//! Who calls, once their credential is verified.

use crate::guard::verify;
use crate::role::{allows, both, scopes};
use crate::{Api, Scope};
use axum::extract::FromRequestParts;
use http::request::Parts;
use store::{KeyId, MemberHandle, PersonScope, Presented, Subject, TenantScope, Verified};
use web::Problem;
use wire::{AgentId, PoolName, RelayId, Role, SessionId, TenantId, Timestamp, UserId};

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person who has signed in.
    User {
        /// The person.
        user_id: UserId,
        /// What they are in the organisation, now.
        role: Role,
        /// The public id of their session.
        session_id: SessionId,
    },
    /// An API token, of a person or of a service.
    Token {
        /// The name that its creator gave it.
        name: String,
        /// The person whose it is; none for a token that no person made.
        member: Option<UserId>,
    },
    /// A registered agent.
    Agent {
        /// The agent.
        agent_id: AgentId,
        /// Its pool.
        pool: PoolName,
    },
    /// An agent that has not registered yet.
    AgentKey {
        /// The only pool that it may join.
        pool: PoolName,
    },
    /// A relay that has signed the request.
    Relay {
        /// The relay.
        relay_id: RelayId,
    },
    /// A relay that has no key yet, or is to have another.
    RelayEnrolment {
        /// The relay.
        relay_id: RelayId,
    },
}

/// Whoever bears a verified credential. An extractor: a handler that takes it cannot run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// Who it is.
    pub principal: Principal,
    /// What the credential may do, now.
    pub scopes: Vec<Scope>,
    /// What the person is in the organisation, now: the one who has signed in, or whose token it is.
    pub role: Option<Role>,
    /// The right to the person's own data. Only a session has it.
    pub person: Option<PersonScope>,
    /// The credential, without its secret.
    pub presented: Presented,
    /// When the credential ends, unless it is renewed.
    pub expires_at: Option<Timestamp>,
    /// Whether the credential was verified for this very request. If not, what it opens has to be proven by a write.
    pub(crate) verified_now: bool,
}

/// What an agent session may do, because it is one.
const OF_AN_AGENT: [Scope; 2] = [Scope::QueueClaim, Scope::AgentsHeartbeat];
/// What an agent key may do, because it is one.
const OF_AN_AGENT_KEY: [Scope; 1] = [Scope::AgentsRegister];
/// What a relay may do, because it is one.
const OF_A_RELAY: [Scope; 1] = [Scope::RelaysHeartbeat];
/// What a relay's enrolment token may do, because it is one.
const OF_A_RELAY_ENROLMENT: [Scope; 1] = [Scope::RelaysEnrol];

impl Caller {
    pub(crate) fn new(verified: Verified, presented: Presented) -> Self {
        let (mut role, mut own) = (None, None);
        let (principal, scopes) = match verified.subject {
            Subject::Token { name, member } => {
                // A word that is no scope, or that only machines have, grants nothing.
                let words = verified.scopes.iter().filter_map(|word| word.parse().ok());
                let granted = words.filter(|scope: &Scope| !scope.is_of_machines_alone());
                let granted = granted.collect();
                role = member.as_ref().map(|member| member.role);
                let member = member.map(|member| member.user_id);
                let granted = match role {
                    Some(role) => both(granted, role),
                    None => granted,
                };
                (Principal::Token { name, member }, granted)
            }
            Subject::Person {
                person,
                role: of_person,
                session_id,
            } => {
                let user_id = person.user_id().clone();
                role = Some(of_person);
                own = Some(person);
                let principal = Principal::User {
                    user_id,
                    role: of_person,
                    session_id,
                };
                (principal, scopes(of_person).to_vec())
            }
            Subject::AgentKey { pool } => (Principal::AgentKey { pool }, OF_AN_AGENT_KEY.to_vec()),
            Subject::AgentSession { agent_id, pool } => {
                (Principal::Agent { agent_id, pool }, OF_AN_AGENT.to_vec())
            }
        };
        Self {
            scope: verified.scope,
            principal,
            scopes,
            role,
            person: own,
            presented,
            expires_at: verified.expires_at,
            verified_now: true,
        }
    }

    /// A relay, or what its key is brought with, verified for this request.
    pub(crate) fn relay(
        scope: TenantScope,
        principal: Principal,
        presented: Presented,
        expires_at: Option<Timestamp>,
    ) -> Self {
        let scopes = match principal {
            Principal::Relay { .. } => OF_A_RELAY.to_vec(),
            Principal::RelayEnrolment { .. } => OF_A_RELAY_ENROLMENT.to_vec(),
            Principal::User { .. }
            | Principal::Token { .. }
            | Principal::Agent { .. }
            | Principal::AgentKey { .. } => Vec::new(),
        };
        Self {
            scope,
            principal,
            scopes,
            role: None,
            person: None,
            presented,
            expires_at,
            verified_now: true,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        self.scope.tenant()
    }

    /// Whether the credential has the scope, or `admin` for what a person may do.
    pub fn may(&self, scope: Scope) -> bool {
        allows(&self.scopes, scope)
    }

    /// The first of these scopes that the caller may not hand on, since it has not got it itself.
    pub fn missing_scope(&self, wanted: &[Scope]) -> Option<Scope> {
        let mut wanted = wanted.iter().copied();
        wanted.find(|scope| scope.is_of_machines_alone() || !self.may(*scope))
    }

    /// Whether the caller does what only owners may: somebody who is one, and has signed in.
    pub fn is_owner(&self) -> bool {
        matches!(
            self.principal,
            Principal::User {
                role: Role::Owner,
                ..
            }
        )
    }

    /// The person who has signed in, or whose token it is.
    pub fn user_id(&self) -> Option<&UserId> {
        match &self.principal {
            Principal::User { user_id, .. } => Some(user_id),
            Principal::Token { member, .. } => member.as_ref(),
            Principal::Agent { .. }
            | Principal::AgentKey { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => None,
        }
    }

    /// The person's membership: what the key ids of their sessions and tokens begin with.
    pub fn handle(&self) -> Option<MemberHandle> {
        self.user_id().map(|_| self.presented.key_id.member())
    }

    /// The person's session, if it is one.
    pub fn session_id(&self) -> Option<&SessionId> {
        match &self.principal {
            Principal::User { session_id, .. } => Some(session_id),
            Principal::Token { .. }
            | Principal::Agent { .. }
            | Principal::AgentKey { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => None,
        }
    }

    /// Which credential it is, as far as it may be told: the id of a person's session, else the key id.
    pub fn credential_id(&self) -> String {
        match self.session_id() {
            Some(session_id) => session_id.to_string(),
            None => self.presented.key_id.to_string(),
        }
    }

    /// The agent, if it is one.
    pub fn agent_id(&self) -> Option<&AgentId> {
        match &self.principal {
            Principal::Agent { agent_id, .. } => Some(agent_id),
            Principal::User { .. }
            | Principal::Token { .. }
            | Principal::AgentKey { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => None,
        }
    }

    /// The relay, if it is one.
    pub fn relay_id(&self) -> Option<&RelayId> {
        match &self.principal {
            Principal::Relay { relay_id } => Some(relay_id),
            Principal::User { .. }
            | Principal::Token { .. }
            | Principal::Agent { .. }
            | Principal::AgentKey { .. }
            | Principal::RelayEnrolment { .. } => None,
        }
    }

    /// Who to name as the author of a change: `user:<id>`, `token:<key id>`, `agent:<agent id>`, `relay:<relay id>` or
    /// `key:<key id>`.
    pub fn created_by(&self) -> String {
        match &self.principal {
            Principal::User { user_id, .. } => format!("user:{user_id}"),
            Principal::Token { .. } => format!("token:{}", self.presented.key_id),
            Principal::Agent { agent_id, .. } => format!("agent:{agent_id}"),
            Principal::Relay { relay_id } => format!("relay:{relay_id}"),
            Principal::AgentKey { .. } | Principal::RelayEnrolment { .. } => {
                format!("key:{}", self.presented.key_id)
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>();
        let caller = caller.filter(|caller| caller.verified_now);
        caller.cloned().ok_or_else(|| {
            tracing::error!("a handler asks who calls where nobody was verified");
            Problem::internal()
        })
    }
}

/// A person who has signed in. Anybody else gets 403, also a person's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonCaller {
    /// The right to the data of the organisation that the session is for.
    pub scope: TenantScope,
    /// The right to the person's own data.
    pub person: PersonScope,
    /// The person.
    pub user_id: UserId,
    /// What they are in the organisation, now.
    pub role: Role,
    /// The public id of the session.
    pub session_id: SessionId,
    /// The session, without its secret.
    pub presented: Presented,
    /// When it ends unless it is used.
    pub expires_at: Option<Timestamp>,
}

impl<S: Send + Sync> FromRequestParts<S> for PersonCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match (caller.principal, caller.person) {
            (
                Principal::User {
                    user_id,
                    role,
                    session_id,
                },
                Some(person),
            ) => Ok(Self {
                scope: caller.scope,
                person,
                user_id,
                role,
                session_id,
                presented: caller.presented,
                expires_at: caller.expires_at,
            }),
            _ => Err(Problem::wrong_principal(
                "only a person who has signed in may do this",
            )),
        }
    }
}

/// A registered agent that calls. Anybody else gets 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCaller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// The agent.
    pub agent_id: AgentId,
    /// Its pool.
    pub pool: PoolName,
    /// Its session's credential, by which the session is renewed or ended.
    pub session: Presented,
    /// When the session ends, unless it is renewed.
    pub expires_at: Option<Timestamp>,
}

impl AgentCaller {
    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        self.scope.tenant()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AgentCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.try_into()
    }
}

impl TryFrom<Caller> for AgentCaller {
    type Error = Problem;

    fn try_from(caller: Caller) -> Result<Self, Problem> {
        match caller.principal {
            Principal::Agent { agent_id, pool } => Ok(Self {
                scope: caller.scope,
                agent_id,
                pool,
                session: caller.presented,
                expires_at: caller.expires_at,
            }),
            Principal::User { .. }
            | Principal::Token { .. }
            | Principal::AgentKey { .. }
            | Principal::Relay { .. }
            | Principal::RelayEnrolment { .. } => Err(Problem::wrong_principal(
                "only a registered agent may do this",
            )),
        }
    }
}

/// A registered agent whose session was verified for this request or, in this process, a few minutes ago. It may have
/// ended since. So whatever a conditional write of this request does not prove takes [`confirm`](Self::confirm).
#[derive(Debug, Clone)]
pub struct KnownAgent {
    agent: AgentCaller,
    verified_now: bool,
}

impl KnownAgent {
    /// The right to the tenant's data.
    pub fn scope(&self) -> &TenantScope {
        &self.agent.scope
    }

    /// The agent.
    pub fn agent_id(&self) -> &AgentId {
        &self.agent.agent_id
    }

    /// When the session ends, unless it is renewed.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.agent.expires_at
    }

    /// The agent with its session verified for this request.
    ///
    /// # Errors
    /// 401 if the session has ended.
    pub async fn confirm(&self, api: &Api) -> Result<AgentCaller, Problem> {
        if self.verified_now {
            return Ok(self.agent.clone());
        }
        verify(api, self.agent.session.clone()).await?.try_into()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KnownAgent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = known_caller(parts)?;
        Ok(Self {
            verified_now: caller.verified_now,
            agent: caller.try_into()?,
        })
    }
}

/// Whoever calls, verified now or a few minutes ago.
pub(crate) fn known_caller(parts: &Parts) -> Result<Caller, Problem> {
    parts.extensions.get::<Caller>().cloned().ok_or_else(|| {
        tracing::error!("a public route asks who calls");
        Problem::internal()
    })
}

/// What an agent is registered by, of those credentials that do that: [`Registrant`](crate::Registrant) says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCaller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// The only pool that the agent may join.
    pub pool: PoolName,
    /// The credential's id, under which sessions are derived from it.
    pub key_id: KeyId,
}
