//! People: who they are, which organisations they are in, and as what.
//!
//! A membership stands under a handle of its own, eight random characters that every session and token of the person in that
//! organisation begins with. So what a credential may do now is one read of it and of the membership that it names. Who is
//! removed and comes back has another handle: what they had before stays dead.

mod accept;
mod invitations;
mod item;
mod members;
mod memberships;
mod register;
mod sign_in;
#[cfg(test)]
mod tests;
mod writes;

pub use accept::Acceptance;
pub use invitations::{
    Invitation, InvitationEnd, InvitationPage, InvitationPosition, NewInvitation,
};
pub(crate) use item::{MEMBERSHIP, MembershipItem};
pub use members::{Member, MemberOutcome, MemberPage, Organisation};
pub use memberships::Membership;
pub use sign_in::{NewOrganisation, NewPerson, SignedIn};

use crate::credentials::characters;
use crate::{KeyId, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use wire::{ShortText, Timestamp, UserId};

/// How many organisations a person may be in.
pub(crate) const MAX_ORGANISATIONS: usize = 50;

/// How often a write is tried that others got in the way of.
const MAX_TRIES: usize = 8;

/// Names one membership: 8 of `a-z 0-9`. It may be logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberHandle(String);

/// Text that is not the handle of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 of a-z 0-9")]
pub struct NotAHandle;

impl MemberHandle {
    /// How many characters a handle has.
    pub const LENGTH: usize = 8;

    /// The handle made of eight random bytes.
    pub fn new(random: [u8; Self::LENGTH]) -> Self {
        Self(characters(&random))
    }

    /// Checks the text.
    ///
    /// # Errors
    /// [`NotAHandle`].
    pub fn parse(text: &str) -> Result<Self, NotAHandle> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
        if text.len() == Self::LENGTH && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAHandle)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MemberHandle {
    type Error = NotAHandle;

    fn try_from(text: String) -> Result<Self, NotAHandle> {
        Self::parse(&text)
    }
}

impl From<MemberHandle> for String {
    fn from(handle: MemberHandle) -> Self {
        handle.0
    }
}

impl KeyId {
    /// The key id of a session or token of that member, with four random bytes.
    pub fn of_member(handle: &MemberHandle, random: [u8; 4]) -> Self {
        Self::from_checked(format!("{handle}{}", characters(&random)))
    }

    /// The membership whose key id this is, if it is one's.
    pub fn member(&self) -> MemberHandle {
        MemberHandle(self.as_str()[..MemberHandle::LENGTH].to_owned())
    }
}

/// Who somebody is to a provider of identities. Never an address of e-mail: those change hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    issuer: String,
    subject: String,
}

/// Text that is neither an issuer nor a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("issuer and subject must be 1 to 255 visible characters of ASCII")]
pub struct NotAnIdentity;

impl Identity {
    /// Checks both.
    ///
    /// # Errors
    /// [`NotAnIdentity`].
    pub fn new(issuer: &str, subject: &str) -> Result<Self, NotAnIdentity> {
        let good = |text: &str| {
            (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if good(issuer) && good(subject) {
            Ok(Self {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
            })
        } else {
            Err(NotAnIdentity)
        }
    }

    /// Neither has a line feed, so that no two identities have the same digest.
    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(format!("{}\n{}", self.issuer, self.subject)).into()
    }
}

/// The right to one person's own data.
///
/// Invariant: made only inside this crate, from an identity that was signed in with or from a verified session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonScope(UserId);

impl PersonScope {
    pub(crate) fn new(user_id: UserId) -> Self {
        Self(user_id)
    }

    /// The person.
    pub fn user_id(&self) -> &UserId {
        &self.0
    }
}

/// What belongs to one person, whatever the organisation.
#[derive(Debug, Clone, Copy)]
pub struct PersonStore<'a> {
    pub(crate) store: &'a Store,
    pub(crate) scope: &'a PersonScope,
}

impl Store {
    /// What belongs to one person.
    pub fn person<'a>(&'a self, scope: &'a PersonScope) -> PersonStore<'a> {
        PersonStore { store: self, scope }
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub user_id: UserId,
    /// What they are called, as their provider last said.
    pub display_name: ShortText,
    /// When they first signed in.
    pub created_at: Timestamp,
}
