//! Invitations: how people come into an organisation.

mod accept_invitation;
mod create_invitation;
mod list_invitations;
mod revoke_invitation;

use crate::members::MANAGE;
use auth::{Access, Action, Routes, Scope, audited};
use serde::Serialize;
use store::Invitation;
use utoipa::ToSchema;
use utoipa_axum::routes;
use wire::{Role, Timestamp};

/// Adds the routes of invitations.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::MembersRead);
    routes
        .route(read, routes!(list_invitations::list_invitations))
        .route(
            MANAGE,
            audited(
                &[Action::InvitationCreate],
                routes!(create_invitation::create_invitation),
            ),
        )
        .route(
            MANAGE,
            audited(
                &[Action::InvitationRevoke],
                routes!(revoke_invitation::revoke_invitation),
            ),
        )
        .route(
            Access::signed_in(),
            audited(
                &[Action::MemberJoin],
                routes!(accept_invitation::accept_invitation),
            ),
        )
}

/// An invitation, without what it is accepted with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct InvitationView {
    /// Its id, which stands in it and in logs.
    invitation_id: String,
    /// As what whoever accepts it is in the organisation.
    role: Role,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            invitation_id: invitation.key_id.to_string(),
            role: invitation.role,
            created_by: invitation.created_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}
