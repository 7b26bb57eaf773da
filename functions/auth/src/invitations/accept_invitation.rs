//! Somebody who has signed in accepts an invitation.

use crate::view::MembershipView;
use auth::{Action, Actor, Api, Audited, Author, Change, OrProblem, PersonCaller, Resource, Token};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::{Acceptance, CredentialKind, Invitation, MemberHandle, Membership, Presented};
use utoipa::ToSchema;
use web::{ApiJson, Problem, ProblemCode};
use wire::{Check, Timestamp};

/// An invitation that somebody was handed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptInvitationRequest {
    /// Its token, `hcp_<env>_i_…`.
    #[schema(value_type = String, max_length = 74)]
    token: SecretString,
}

impl Check for AcceptInvitationRequest {}

/// Accept an invitation.
///
/// 201 with the new membership, 200 with one that was there before. The session stays in the organisation that it is in:
/// switching is another request. Whatever is wrong with an invitation, the answer is the same 404.
#[utoipa::path(
    post,
    path = "/auth/invitations/accept",
    tag = "members",
    request_body = AcceptInvitationRequest,
    responses(
        (status = 201, description = "The new membership.", body = MembershipView),
        (status = 200, description = "The membership that there was.", body = MembershipView),
    )
)]
pub(crate) async fn accept_invitation(
    State(api): State<Api>,
    caller: PersonCaller,
    ApiJson(request): ApiJson<AcceptInvitationRequest>,
) -> Result<(StatusCode, Json<MembershipView>), Problem> {
    let presented = Token::parse(api.environment, request.token.expose_secret())
        .ok()
        .filter(|presented| presented.kind == CredentialKind::Invitation)
        .ok_or_else(not_good)?;
    // What is open becomes a membership; what is not may have become this person's, whose answer was lost.
    let now = api.now();
    let open = api.store.invitation(&presented, now).await.or_problem()?;
    let (is_new, membership) = match open {
        Some(invitation) => join(&api, &caller, &presented, (&invitation, now)).await?,
        None => accept(&api, &caller, &presented, now).await?,
    };
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json((&membership).into())))
}

/// Accepts an open invitation, on the record of the organisation: whoever brings the secret of one may be put there.
async fn join(
    api: &Api,
    caller: &PersonCaller,
    presented: &Presented,
    (invitation, now): (&Invitation, Timestamp),
) -> Result<(bool, Membership), Problem> {
    let author = Author::new(
        &invitation.scope,
        Actor::User(caller.user_id.to_string()),
        Some(caller.session_id.to_string()),
    );
    let join = async {
        let (is_new, membership) = accept(api, caller, presented, now).await?;
        // Of two such requests at once, one has made the membership that both have found.
        if !is_new {
            return Ok(Audited::Unchanged((false, membership)));
        }
        let change = Change::new()
            .after(&MembershipView::from(&membership))
            .with("role", membership.role)
            .with("invitation", &invitation.key_id);
        Ok(Audited::Changed((true, membership), change))
    };
    let resource = Resource::new("member", &caller.user_id);
    api.audited(author, (Action::MemberJoin, resource), join)
        .await
}

/// The membership, and whether it is this call that has made it.
async fn accept(
    api: &Api,
    caller: &PersonCaller,
    presented: &Presented,
    now: Timestamp,
) -> Result<(bool, Membership), Problem> {
    let handle = MemberHandle::new(api.entropy.bytes());
    let acceptance = api
        .store
        .person(&caller.person)
        .accept_invitation(presented, &handle, now, &api.write_id())
        .await
        .or_problem()?;
    match acceptance {
        Acceptance::Joined(membership) => Ok((membership.handle == handle, membership)),
        Acceptance::AlreadyMember(membership) => Ok((false, membership)),
        Acceptance::NotGood => Err(not_good()),
        Acceptance::TooMany => Err(Problem::new(
            ProblemCode::TooManyRequests,
            "you are in as many organisations as a person may be in; leave one first",
        )),
    }
}

/// 404. The same whatever was wrong with an invitation.
fn not_good() -> Problem {
    Problem::not_found("invitation")
}
