//! Makes an invitation.

use super::InvitationView;
use crate::members::{may_hand_on, require_owner_for};
use auth::role::scopes;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Creation, CredentialKind, NewInvitation};
use utoipa::ToSchema;
use web::{ApiJson, Problem};
use wire::{Check, Role};

/// How long an invitation is good: 7 days.
const GOOD_SECONDS: i64 = 7 * 24 * 3600;

/// An invitation to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInvitationRequest {
    /// As what whoever accepts it is in the organisation.
    role: Role,
}

impl Check for CreateInvitationRequest {}

/// An invitation that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationCreated {
    /// What it is accepted with, to be handed to whom it is for. It is shown this once.
    invitation_token: String,
    /// What is known of it.
    invitation: InvitationView,
}

/// Invite somebody into the organisation.
///
/// Whoever signs in and shows the token within seven days is a member; it is good once, and only while who made it may still
/// invite. Nothing is sent to anybody. Only an owner invites an owner. It takes somebody who has signed in: an API token invites
/// nobody. Each request makes one, so it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/auth/invitations",
    tag = "members",
    request_body = CreateInvitationRequest,
    responses((status = 201, description = "The invitation.", body = InvitationCreated))
)]
pub(crate) async fn create_invitation(
    State(api): State<Api>,
    caller: Caller,
    ApiJson(request): ApiJson<CreateInvitationRequest>,
) -> Result<(StatusCode, Json<InvitationCreated>), Problem> {
    require_owner_for(&caller, &[request.role])?;
    may_hand_on(&caller, scopes(request.role))?;
    let now = api.now();
    let token = Token::issue(api.environment, CredentialKind::Invitation, &api.entropy);
    let new = NewInvitation {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        role: request.role,
        created_by: caller.created_by(),
        creator: caller.handle(),
        expires_at: now.plus_seconds(GOOD_SECONDS),
    };
    let view = InvitationView {
        invitation_id: new.key_id.to_string(),
        role: new.role,
        created_by: new.created_by.clone(),
        created_at: now,
        expires_at: new.expires_at,
    };
    let resource = Resource::new("invitation", &new.key_id);
    let create = async {
        let tenant = api.store.tenant(&caller.scope);
        let created = tenant
            .create_invitation(&new, now, &api.write_id())
            .await
            .or_problem()?;
        match created {
            Creation::Created => {
                let change = Change::new().after(&view).with("role", new.role);
                Ok(Audited::Changed((), change))
            }
            // One of 36^12.
            Creation::KeyIdTaken => Err(Problem::busy(1)),
        }
    };
    api.audited(&caller, (Action::InvitationCreate, resource), create)
        .await?;
    let created = InvitationCreated {
        invitation_token: token.expose().to_owned(),
        invitation: view,
    };
    Ok((StatusCode::CREATED, Json(created)))
}
