//! Signing keys: an agent that holds one signs its registration instead of bearing a token.

mod create_key;
mod list_keys;
mod revoke_key;

use auth::{Access, Action, Routes, audited};
use serde::Serialize;
use store::AgentCredentialEntry;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{PoolName, SigningAlgorithm, Timestamp};

/// How many signing keys an organisation may have.
const MAX_KEYS: u16 = 200;

/// Adds the routes of signing keys.
pub(crate) fn add(routes: Routes, access: Access) -> Routes {
    routes
        .route(access, routes!(list_keys::list_signing_keys))
        .route(
            access,
            audited(
                &[Action::SigningKeyCreate],
                routes!(create_key::create_signing_key),
            ),
        )
        .route(
            access,
            audited(
                &[Action::SigningKeyRevoke],
                routes!(revoke_key::revoke_signing_key),
            ),
        )
}

/// A signing key, without what signs.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub(crate) struct SigningKeyView {
    /// Its id, for `x-hcp-key-id`.
    key_id: String,
    /// What its creator called it.
    name: String,
    /// The only pool that its agents may join.
    pool_name: PoolName,
    /// How it signs.
    algorithm: Option<SigningAlgorithm>,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// When it ends, and with it the sessions of its agents.
    expires_at: Option<Timestamp>,
    /// When an agent last registered with it.
    last_used_at: Option<Timestamp>,
}

impl From<AgentCredentialEntry> for SigningKeyView {
    fn from(key: AgentCredentialEntry) -> Self {
        Self {
            key_id: key.key_id.to_string(),
            name: key.name,
            pool_name: key.pool,
            algorithm: key.algorithm,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}
