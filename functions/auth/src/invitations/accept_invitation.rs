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
use wire::Check;

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
    let not_good = || Problem::not_found("invitation");
    let presented = Token::parse(api.environment, request.token.expose_secret())
        .ok()
        .filter(|presented| presented.kind == CredentialKind::Invitation)
        .ok_or_else(not_good)?;
    // What is open becomes a membership; what is not may have become this person's, whose answer was lost.
    let open = api.store.invitation(&presented, api.now()).await;
    let open = open.or_problem()?;
    let accepted = accept(&api, &caller, &presented).await?;
    let membership = match (accepted, open) {
        (Some(Accepted::Joined(membership)), Some(invitation)) => {
            record(&api, &caller, &membership, &invitation).await;
            return Ok((StatusCode::CREATED, Json((&membership).into())));
        }
        (Some(Accepted::Joined(membership) | Accepted::Was(membership)), _) => membership,
        (None, _) => return Err(not_good()),
    };
    Ok((StatusCode::OK, Json((&membership).into())))
}

/// Somebody who is no member yet writes into the organisation's record as little as into anything else of it, so here the
/// record follows the change. What cannot be recorded has happened nevertheless.
async fn record(
    api: &Api,
    caller: &PersonCaller,
    membership: &Membership,
    invitation: &Invitation,
) {
    let author = Author::new(
        &membership.scope,
        Actor::User(caller.user_id.to_string()),
        Some(&caller.presented.key_id),
    );
    let change = Change::new()
        .after(&MembershipView::from(membership))
        .with("role", membership.role)
        .with("invitation", &invitation.key_id);
    let resource = Resource::new("member", &caller.user_id);
    let joined = async { Ok(Audited::Changed((), change)) };
    let recorded = api
        .audited(author, (Action::MemberJoin, resource), joined)
        .await;
    if let Err(problem) = recorded {
        tracing::error!(%problem, "somebody has joined without a record of it");
    }
}

/// What became of an invitation that is good.
enum Accepted {
    Joined(Membership),
    Was(Membership),
}

/// Accepts it; `None` if the invitation is not good.
async fn accept(
    api: &Api,
    caller: &PersonCaller,
    presented: &Presented,
) -> Result<Option<Accepted>, Problem> {
    let handle = MemberHandle::new(api.entropy.bytes());
    let acceptance = api
        .store
        .person(&caller.person)
        .accept_invitation(presented, &handle, api.now(), &api.write_id())
        .await
        .or_problem()?;
    match acceptance {
        Acceptance::Joined(membership) => Ok(Some(Accepted::Joined(membership))),
        Acceptance::AlreadyMember(membership) => Ok(Some(Accepted::Was(membership))),
        Acceptance::NotGood => Ok(None),
        Acceptance::TooMany => Err(Problem::new(
            ProblemCode::TooManyRequests,
            "you are in as many organisations as a person may be in; leave one first",
        )),
    }
}
