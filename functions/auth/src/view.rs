//! People and organisations as they stand in answers.

use serde::Serialize;
use store::{Membership, Person};
use utoipa::ToSchema;
use wire::{Role, ShortText, TenantId, UserId};

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    /// The person's id, in every organisation the same.
    user_id: UserId,
    /// What their provider calls them.
    display_name: ShortText,
}

impl From<&Person> for User {
    fn from(person: &Person) -> Self {
        Self {
            user_id: person.user_id.clone(),
            display_name: person.display_name.clone(),
        }
    }
}

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Organisation {
    /// Its id.
    organisation_id: TenantId,
    /// What it is called.
    name: ShortText,
}

impl From<&Membership> for Organisation {
    fn from(membership: &Membership) -> Self {
        Self {
            organisation_id: membership.scope.tenant().clone(),
            name: membership.organisation.clone(),
        }
    }
}

/// That a person is in an organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembershipView {
    /// The organisation.
    organisation: Organisation,
    /// As what the person is in it.
    role: Role,
}

impl From<&Membership> for MembershipView {
    fn from(membership: &Membership) -> Self {
        Self {
            organisation: membership.into(),
            role: membership.role,
        }
    }
}
