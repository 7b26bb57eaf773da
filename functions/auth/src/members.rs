//! Who is in an organisation, and as what.

mod list_members;
mod remove_member;
mod set_role;

pub(crate) use remove_member::{Leaving, take_out};

use auth::{Access, Action, Caller, Principal, Routes, Scope, audited};
use serde::Serialize;
use store::Member;
use utoipa::ToSchema;
use utoipa_axum::routes;
use web::{Problem, ProblemCode};
use wire::{Role, ShortText, Timestamp, UserId};

/// How often a change is decided anew that somebody else came before.
const TRIES: usize = 3;

/// Adds the routes of members.
pub(crate) fn add(routes: Routes) -> Routes {
    let read = Access::people(Scope::MembersRead);
    let write = Access::people(Scope::MembersWrite);
    routes
        .route(read, routes!(list_members::list_members))
        .route(
            write,
            audited(&[Action::MemberRole], routes!(set_role::set_role)),
        )
        .route(
            write,
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

/// Nobody gives somebody else a scope that they have not got. And a person's token makes no administrator: what it made would
/// do everything when the token is long revoked.
pub(crate) fn may_hand_on(caller: &Caller, gained: &[Scope]) -> Result<(), Problem> {
    if let Some(missing) = caller.missing_scope(gained) {
        return Err(Problem::missing_scope(missing.as_str()));
    }
    let of_a_person = matches!(
        caller.principal,
        Principal::Token {
            member: Some(_),
            ..
        }
    );
    if of_a_person && gained.contains(&Scope::Admin) {
        return Err(Problem::wrong_principal(
            "an administrator or owner is made by somebody who has signed in, not by their token",
        ));
    }
    Ok(())
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
