//! Who may call a route.

use crate::{Caller, Principal, Scope};
use serde_json::{Value, json};
use web::Problem;

/// Who may call a route: which kinds of caller, and with which scope. One value is both enforced and documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub(crate) people: Option<Scope>,
    /// People who have signed in, and not their tokens.
    pub(crate) session: Option<Need>,
    /// API tokens, whatever their scopes.
    pub(crate) token: bool,
    pub(crate) agent: Option<AgentAccess>,
    pub(crate) agent_key: Option<Scope>,
    pub(crate) relay: Option<RelayAccess>,
    /// Tokens that a relay's key is brought with.
    pub(crate) relay_enrolment: Option<Scope>,
}

/// What a person's session needs where tokens do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: whatever the role.
    Nothing,
    /// A scope of the role.
    Scope(Scope),
}

impl Need {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => ANY,
            Self::Scope(scope) => scope.as_str(),
        }
    }
}

/// What stands in the document where no scope is needed.
const ANY: &str = "any";

/// What a registered agent needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgentAccess {
    pub(crate) scope: Scope,
    /// Whether the path's `{id}` must be the agent's own. Another's is 404, as one that does not exist.
    pub(crate) own: bool,
}

/// What a relay needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayAccess {
    pub(crate) scope: Scope,
    /// Whether the path's `{id}` must be the relay's own. Another's is 404, as one that does not exist.
    pub(crate) own: bool,
}

impl Access {
    const NOBODY: Self = Self {
        people: None,
        session: None,
        token: false,
        agent: None,
        agent_key: None,
        relay: None,
        relay_enrolment: None,
    };

    /// People who have signed in, whatever their role: for what is a person's own, not the organisation's.
    pub const fn signed_in() -> Self {
        Self {
            session: Some(Need::Nothing),
            ..Self::NOBODY
        }
    }

    /// People who have signed in, with the scope, and not their tokens: for what a token that leaked must not do, such as
    /// making others.
    pub const fn signed_in_with(scope: Scope) -> Self {
        Self {
            session: Some(Need::Scope(scope)),
            ..Self::NOBODY
        }
    }

    /// And API tokens, whatever their scopes.
    pub const fn or_any_token(self) -> Self {
        Self {
            token: true,
            ..self
        }
    }

    /// People and API tokens with the scope, and those with `admin`.
    pub const fn people(scope: Scope) -> Self {
        Self {
            people: Some(scope),
            ..Self::NOBODY
        }
    }

    /// Registered agents with the scope.
    pub const fn agent(scope: Scope) -> Self {
        Self::NOBODY.or_agent(scope)
    }

    /// The registered agent that the path's `{id}` names, with the scope.
    pub const fn own_agent(scope: Scope) -> Self {
        Self::NOBODY.or_own_agent(scope)
    }

    /// Agent keys with the scope.
    pub const fn agent_key(scope: Scope) -> Self {
        Self {
            agent_key: Some(scope),
            ..Self::NOBODY
        }
    }

    /// Relays with the scope.
    pub const fn relay(scope: Scope) -> Self {
        Self {
            relay: Some(RelayAccess { scope, own: false }),
            ..Self::NOBODY
        }
    }

    /// Tokens that a relay's key is brought with, with the scope.
    pub const fn relay_enrolment(scope: Scope) -> Self {
        Self {
            relay_enrolment: Some(scope),
            ..Self::NOBODY
        }
    }

    /// And the relay that the path's `{id}` names, with the scope.
    pub const fn or_own_relay(self, scope: Scope) -> Self {
        Self {
            relay: Some(RelayAccess { scope, own: true }),
            ..self
        }
    }

    /// And registered agents with the scope.
    pub const fn or_agent(self, scope: Scope) -> Self {
        Self {
            agent: Some(AgentAccess { scope, own: false }),
            ..self
        }
    }

    /// And the registered agent that the path's `{id}` names, with the scope.
    pub const fn or_own_agent(self, scope: Scope) -> Self {
        Self {
            agent: Some(AgentAccess { scope, own: true }),
            ..self
        }
    }

    /// Whether the path's `{id}` decides.
    pub(crate) fn needs_path(self) -> bool {
        self.agent.is_some_and(|agent| agent.own) || self.relay.is_some_and(|relay| relay.own)
    }

    /// Lets the caller in or says why not. `path_id` is the path's `{id}`.
    pub(crate) fn check(self, caller: &Caller, path_id: Option<&str>) -> Result<(), Problem> {
        let (open, needed) = match &caller.principal {
            Principal::User { .. } => match self.session {
                Some(Need::Nothing) => (true, None),
                Some(Need::Scope(scope)) => (false, Some(scope)),
                None => (false, self.people),
            },
            Principal::Token { .. } => (self.token, self.people),
            Principal::Agent { .. } => (false, self.agent.map(|agent| agent.scope)),
            Principal::AgentKey { .. } => (false, self.agent_key),
            Principal::Relay { .. } => (false, self.relay.map(|relay| relay.scope)),
            Principal::RelayEnrolment { .. } => (false, self.relay_enrolment),
        };
        match needed {
            _ if open => {}
            None => {
                return Err(Problem::wrong_principal(format!(
                    "this is for {}",
                    self.in_words()
                )));
            }
            Some(needed) if !caller.may(needed) => {
                return Err(Problem::missing_scope(needed.as_str()));
            }
            Some(_) => {}
        }
        if let Some(agent_id) = caller.agent_id()
            && self.agent.is_some_and(|agent| agent.own)
            && path_id != Some(agent_id.as_str())
        {
            return Err(Problem::not_found("agent"));
        }
        if let Some(relay_id) = caller.relay_id()
            && self.relay.is_some_and(|relay| relay.own)
            && path_id != Some(relay_id.as_str())
        {
            return Err(Problem::not_found("relay"));
        }
        Ok(())
    }

    fn in_words(self) -> String {
        let words = [
            self.people.map(|_| "people and API tokens"),
            self.session.map(|_| "people who have signed in"),
            self.token.then_some("API tokens"),
            self.agent.map(|_| "registered agents"),
            self.agent_key.map(|_| "agent keys"),
            self.relay.map(|_| "relays"),
            self.relay_enrolment.map(|_| "relays' enrolment tokens"),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The value of `x-access` in the OpenAPI document.
    pub(crate) fn to_extension(self) -> Value {
        let mut access = serde_json::Map::new();
        if let Some(scope) = self.people {
            access.insert("people".to_owned(), json!(scope.as_str()));
        }
        if let Some(need) = self.session {
            access.insert("session".to_owned(), json!(need.as_str()));
        }
        if self.token {
            access.insert("token".to_owned(), json!(ANY));
        }
        if let Some(AgentAccess { scope, own }) = self.agent {
            let name = if own { "own_agent" } else { "agent" };
            access.insert(name.to_owned(), json!(scope.as_str()));
        }
        if let Some(scope) = self.agent_key {
            access.insert("agent_key".to_owned(), json!(scope.as_str()));
        }
        if let Some(RelayAccess { scope, own }) = self.relay {
            let name = if own { "own_relay" } else { "relay" };
            access.insert(name.to_owned(), json!(scope.as_str()));
        }
        if let Some(scope) = self.relay_enrolment {
            access.insert("relay_enrolment".to_owned(), json!(scope.as_str()));
        }
        Value::Object(access)
    }

    /// Reads the value of `x-access` back.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn from_extension(value: &Value) -> Option<Self> {
        let scope = |name: &str| -> Option<Scope> { value.get(name)?.as_str()?.parse().ok() };
        let agent = scope("agent").map(|scope| AgentAccess { scope, own: false });
        let own = scope("own_agent").map(|scope| AgentAccess { scope, own: true });
        let relay = scope("relay").map(|scope| RelayAccess { scope, own: false });
        let own_relay = scope("own_relay").map(|scope| RelayAccess { scope, own: true });
        let any = |name: &str| value.get(name).is_some_and(|value| value == ANY);
        let access = Self {
            people: scope("people"),
            session: if any("session") {
                Some(Need::Nothing)
            } else {
                scope("session").map(Need::Scope)
            },
            token: any("token"),
            agent: agent.or(own),
            agent_key: scope("agent_key"),
            relay: relay.or(own_relay),
            relay_enrolment: scope("relay_enrolment"),
        };
        (access.to_extension() == *value && access != Self::NOBODY).then_some(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_documented_is_what_is_enforced() {
        for access in [
            Access::people(Scope::JobsRead),
            Access::people(Scope::JobsRead).or_agent(Scope::QueueClaim),
            Access::people(Scope::AgentsRead).or_own_agent(Scope::AgentsHeartbeat),
            Access::own_agent(Scope::AgentsHeartbeat),
            Access::agent_key(Scope::AgentsRegister),
            Access::relay(Scope::RelaysHeartbeat),
            Access::people(Scope::RelaysManage).or_own_relay(Scope::RelaysHeartbeat),
            Access::relay_enrolment(Scope::RelaysEnrol),
            Access::signed_in(),
            Access::signed_in_with(Scope::TokensWrite),
            Access::signed_in().or_any_token(),
        ] {
            assert_eq!(Access::from_extension(&access.to_extension()), Some(access));
        }
        assert_eq!(Access::from_extension(&json!({})), None);
        assert_eq!(Access::from_extension(&json!("public")), None);
        assert_eq!(Access::from_extension(&json!({"people": "jobs:own"})), None);
    }
}
