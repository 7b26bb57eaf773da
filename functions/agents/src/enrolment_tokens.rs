//! Enrolment tokens: each registers one agent of one pool, soon.

mod create_token;
mod list_tokens;
mod revoke_token;

use auth::{Access, Action, Routes, audited};
use serde::Serialize;
use store::AgentCredentialEntry;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{PoolName, Timestamp};

/// How many enrolment tokens that nobody has used an organisation may have.
const MAX_TOKENS: u16 = 1000;

/// Adds the routes of enrolment tokens.
pub(crate) fn add(routes: Routes, access: Access) -> Routes {
    routes
        .route(access, routes!(list_tokens::list_enrolment_tokens))
        .route(
            access,
            audited(
                &[Action::EnrolmentCreate],
                routes!(create_token::create_enrolment_token),
            ),
        )
        .route(
            access,
            audited(
                &[Action::EnrolmentRevoke],
                routes!(revoke_token::revoke_enrolment_token),
            ),
        )
}

/// An enrolment token, without what it is borne by.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EnrolmentToken)]
pub(crate) struct EnrolmentView {
    /// Its public part, which stands in it and in logs.
    key_id: String,
    /// What its creator called it.
    name: String,
    /// The only pool that its agent may join.
    pool_name: PoolName,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// Until when an agent may register with it.
    expires_at: Option<Timestamp>,
}

impl From<AgentCredentialEntry> for EnrolmentView {
    fn from(token: AgentCredentialEntry) -> Self {
        Self {
            key_id: token.key_id.to_string(),
            name: token.name,
            pool_name: token.pool,
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}
