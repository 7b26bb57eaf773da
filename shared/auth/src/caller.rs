//! Who calls, once their credential is verified.

use crate::guard::verify;
use crate::{Api, Scope};
use axum::extract::FromRequestParts;
use http::request::Parts;
use store::{KeyId, Presented, Subject, TenantScope, Verified};
use web::Problem;
use wire::{AgentId, PoolName, TenantId, Timestamp};

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person who has signed in.
    User {
        /// The person's id.
        user_id: String,
    },
    /// An API token, of a person or of a service.
    Token {
        /// The name that its creator gave it.
        name: String,
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
}

/// Whoever bears a verified credential. An extractor: a handler that takes it cannot run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// Who it is.
    pub principal: Principal,
    /// What the credential may do.
    pub scopes: Vec<Scope>,
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
/// What no person and no token can be granted.
const OF_AGENTS_ALONE: [Scope; 3] = [
    Scope::QueueClaim,
    Scope::AgentsHeartbeat,
    Scope::AgentsRegister,
];

impl Caller {
    pub(crate) fn new(verified: Verified, presented: Presented) -> Self {
        let (principal, scopes) = match verified.subject {
            // A word that is no scope, or that only agents have, grants nothing.
            Subject::Token { name } => (
                Principal::Token { name },
                verified
                    .scopes
                    .iter()
                    .filter_map(|word| word.parse().ok())
                    .filter(|scope| !OF_AGENTS_ALONE.contains(scope))
                    .collect(),
            ),
            Subject::AgentKey { pool } => (Principal::AgentKey { pool }, OF_AN_AGENT_KEY.to_vec()),
            Subject::AgentSession { agent_id, pool } => {
                (Principal::Agent { agent_id, pool }, OF_AN_AGENT.to_vec())
            }
        };
        Self {
            scope: verified.scope,
            principal,
            scopes,
            presented,
            expires_at: verified.expires_at,
            verified_now: true,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        self.scope.tenant()
    }

    /// Whether the credential has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The agent, if it is one.
    pub fn agent_id(&self) -> Option<&AgentId> {
        match &self.principal {
            Principal::Agent { agent_id, .. } => Some(agent_id),
            Principal::User { .. } | Principal::Token { .. } | Principal::AgentKey { .. } => None,
        }
    }

    /// Who to name as the author of a change: `user:<id>`, `token:<key id>`, `agent:<agent id>` or `key:<key id>`.
    pub fn created_by(&self) -> String {
        match &self.principal {
            Principal::User { user_id } => format!("user:{user_id}"),
            Principal::Token { .. } => format!("token:{}", self.presented.key_id),
            Principal::Agent { agent_id, .. } => format!("agent:{agent_id}"),
            Principal::AgentKey { .. } => format!("key:{}", self.presented.key_id),
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
            Principal::User { .. } | Principal::Token { .. } | Principal::AgentKey { .. } => Err(
                Problem::wrong_principal("only a registered agent may do this"),
            ),
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
fn known_caller(parts: &Parts) -> Result<Caller, Problem> {
    parts.extensions.get::<Caller>().cloned().ok_or_else(|| {
        tracing::error!("a public route asks who calls");
        Problem::internal()
    })
}

/// The bearer of an agent key, who wants to register. Anybody else gets 403. The key was good for this request or a few
/// minutes ago: a registration is on the condition that it still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCaller {
    /// The right to the tenant's data.
    pub scope: TenantScope,
    /// The only pool that the agent may join.
    pub pool: PoolName,
    /// The key's id, under which sessions are derived from it.
    pub key_id: KeyId,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = known_caller(parts)?;
        match caller.principal {
            Principal::AgentKey { pool } => Ok(Self {
                scope: caller.scope,
                pool,
                key_id: caller.presented.key_id,
            }),
            Principal::User { .. } | Principal::Token { .. } | Principal::Agent { .. } => {
                Err(Problem::wrong_principal("only an agent key may do this"))
            }
        }
    }
}
