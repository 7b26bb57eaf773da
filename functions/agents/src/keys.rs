//! Agent keys: each registers any number of agents of one pool.

mod create_key;
mod list_keys;
mod revoke_key;
mod rotate_key;

use auth::{Access, Action, Routes, audited};
use serde::Serialize;
use store::AgentCredentialEntry;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{PoolName, Timestamp};

/// How many agent keys an organisation may have.
const MAX_KEYS: u16 = 200;

/// Adds the routes of agent keys.
pub(crate) fn add(routes: Routes, access: Access) -> Routes {
    routes
        .route(access, routes!(list_keys::list_agent_keys))
        .route(
            access,
            audited(
                &[Action::AgentKeyCreate],
                routes!(create_key::create_agent_key),
            ),
        )
        .route(
            access,
            audited(
                &[Action::AgentKeyRotate, Action::AgentKeyRevoke],
                routes!(rotate_key::rotate_agent_key),
            ),
        )
        .route(
            access,
            audited(
                &[Action::AgentKeyRevoke],
                routes!(revoke_key::revoke_agent_key),
            ),
        )
}

/// An agent key, without what it is borne by.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AgentKey)]
pub(crate) struct AgentKeyView {
    /// Its public part, which stands in it and in logs.
    key_id: String,
    /// What its creator called it.
    name: String,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// When it ends, and with it the sessions of its agents.
    expires_at: Option<Timestamp>,
    /// When it was last used, to five minutes.
    last_used_at: Option<Timestamp>,
    /// The key id of the key that takes its place.
    rotated_to: Option<String>,
}

impl From<AgentCredentialEntry> for AgentKeyView {
    fn from(key: AgentCredentialEntry) -> Self {
        Self {
            key_id: key.key_id.to_string(),
            name: key.name,
            pool_name: key.pool,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            rotated_to: key.rotated_to.map(|key_id| key_id.to_string()),
        }
    }
}

/// An agent key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentKeyCreated {
    /// The key itself, for `HYBRID_AGENT_KEY`. It is shown this once.
    agent_key: String,
    /// What is known of it.
    key: AgentKeyView,
}
