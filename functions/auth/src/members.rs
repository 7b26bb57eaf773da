//! Who is in an organisation, and as what.

mod list_members;
mod remove_member;
mod set_role;

pub(crate) use remove_member::{Leaving, take_out};

use auth::{Access, Action, Caller, Routes, Scope, audited};
use serde::Serialize;
use store::Member;
use utoipa::ToSchema;
use utoipa_axum::routes;
use web::{Problem, ProblemCode};
use wire::{Role, ShortText, Timestamp, UserId};

/// Who decides who is in an organisation, and as what: somebody who has signed in, and never a token. Whoever was let in with
/// a token that has leaked would still be there when it is long revoked.
pub(crate) const MANAGE: Access = Access::signed_in_with(Scope::MembersWrite);

/// How often a change is decided anew that somebody else came before.
const TRIES: usize = 3;

/// Adds the routes of members.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::MembersRead);
    routes
        .route(read, routes!(list_members::list_members))
        .route(
            MANAGE,
            audited(&[Action::MemberRole], routes!(set_role::set_role)),
        )
        .route(
            MANAGE,
            audited(
                &[Action::MemberRemove],
                routes!(remove_member::remove_member),
            ),
        )
}

/// A person in an organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// The person.
    user_id: UserId,
    /// What their provider calls them.
    display_name: ShortText,
    /// As what they are in it.
    role: Role,
    /// Since when.
    joined_at: Timestamp,
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user_id.clone(),
            display_name: member.display_name.clone(),
            role: member.role,
            joined_at: member.joined_at,
        }
    }
}

/// What concerns an owner is for owners.
pub(crate) fn require_owner_for(caller: &Caller, roles: &[Role]) -> Result<(), Problem> {
    if roles.contains(&Role::Owner) && !caller.is_owner() {
        return Err(Problem::wrong_principal(
            "only an owner makes, demotes, invites or removes an owner",
        ));
    }
    Ok(())
}

/// Nobody gives somebody else a scope that they have not got.
pub(crate) fn may_hand_on(caller: &Caller, gained: &[Scope]) -> Result<(), Problem> {
    let missing = caller.missing_scope(gained);
    missing.map_or(Ok(()), |missing| {
        Err(Problem::missing_scope(missing.as_str()))
    })
}

fn not_allowed() -> Problem {
    Problem::wrong_principal("you are not any more what you would have to be for this")
}

fn last_owner() -> Problem {
    Problem::conflict(
        ProblemCode::LastOwner,
        "the organisation has no other owner; make one first",
    )
}

fn contended() -> Problem {
    Problem::new(
        ProblemCode::Contended,
        "others kept changing the member; nothing was changed",
    )
    .retry_after(1)
}
