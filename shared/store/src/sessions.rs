//! The sessions of persons.
//!
//! A session is found by the digest of its secret and bears the handle of the membership that it was opened for, so that one
//! read of both tells who it is and what they may do now. It ends eight hours after its last use, 24 hours after its
//! beginning, when it is ended, and with its membership; every request looks at all of it.

mod authenticate;
mod end;
mod list;
mod replace;
#[cfg(test)]
mod tests;

pub use list::PersonSessionPage;

use crate::call::{Item, from_item, key, to_item};
use crate::schema::TableKind;
use crate::{KeyId, Membership, PersonStore, StoreError, WriteId, keys};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use wire::{SessionId, ShortText, TenantId, Timestamp, UserId};

/// How many seconds after its last use a session ends.
pub const SESSION_IDLE_SECONDS: i64 = 8 * 3600;

/// How many seconds after its beginning a session ends, whatever its use.
pub const SESSION_SECONDS: i64 = 24 * 3600;

/// How far the note of a session's last use may lag behind, in milliseconds.
const SEEN_LAG_MILLIS: i64 = 5 * 60 * 1000;

/// The sort key of every session.
const SESSION: &str = "S";

/// The index of sessions by person.
const BY_USER: &str = "user";

/// A new session.
#[derive(Debug, Clone)]
pub struct NewPersonSession {
    /// Its public id.
    pub session_id: SessionId,
    /// Its key id, which begins with the handle of the membership.
    pub key_id: KeyId,
    /// The SHA-256 of its secret.
    pub secret_sha256: [u8; 32],
    /// The program that it was opened with, as it calls itself.
    pub user_agent: Option<ShortText>,
    /// The address that it was opened from.
    pub address: Option<IpAddr>,
}

/// A session, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSession {
    /// Its public id.
    pub session_id: SessionId,
    /// The organisation that it is for.
    pub tenant: TenantId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to five minutes.
    pub seen_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// The program that it was opened with, as it calls itself.
    pub user_agent: Option<ShortText>,
    /// The address that it was opened from.
    pub address: Option<IpAddr>,
}

/// A session as an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SessionItem {
    session_id: SessionId,
    key_id: KeyId,
    user_id: UserId,
    tenant: TenantId,
    created_ms: i64,
    seen_ms: i64,
    /// When it ends whatever its use.
    expires_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    /// Partition and sort key of the `user` index. The id begins with the time, so it sorts as that does.
    upk: String,
    usk: String,
    /// Time to live. DynamoDB may be days late with it; [`SessionItem::is_good`] is not.
    expires_at_seconds: i64,
}

impl SessionItem {
    /// When it ends if it is not used.
    fn end(&self) -> Timestamp {
        let idle = Timestamp::from_millis(self.seen_ms).plus_seconds(SESSION_IDLE_SECONDS);
        idle.min(Timestamp::from_millis(self.expires_ms))
    }

    /// Whether it is good at that moment, as far as the session itself goes.
    fn is_good(&self, now: Timestamp) -> bool {
        now < self.end()
    }

    fn view(self) -> PersonSession {
        PersonSession {
            expires_at: self.end(),
            session_id: self.session_id,
            tenant: self.tenant,
            created_at: Timestamp::from_millis(self.created_ms),
            seen_at: Timestamp::from_millis(self.seen_ms),
            user_agent: self.user_agent,
            address: self.address,
        }
    }
}

/// The key of a session.
fn session_key(secret_sha256: &[u8; 32]) -> Item {
    key(keys::person_session(secret_sha256), SESSION)
}

impl PersonStore<'_> {
    /// Opens a session in an organisation, for somebody who has just signed in. Doing the same once more gives the same answer.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_session(
        &self,
        membership: &Membership,
        new: &NewPersonSession,
        now: Timestamp,
    ) -> Result<PersonSession, StoreError> {
        const OPERATION: &str = "create_person_session";
        let mut item = self.new_session(membership, new, now);
        // Who ended their sessions may have done so by a clock that is ahead of this one. A sign-in comes after it.
        if let Some(from) = membership.sessions_from {
            item.created_ms = item.created_ms.max(from.as_millis());
        }
        let mut attributes = to_item(OPERATION, &item)?;
        attributes.extend(session_key(&new.secret_sha256));
        // No two secrets are the same, so an item under this one is what an earlier try of this call has written.
        let write_id = WriteId::new([0; 8]);
        let there = self
            .store
            .put_new_item(OPERATION, TableKind::Sessions, attributes, &write_id)
            .await?;
        match there {
            None => Ok(item.view()),
            Some(there) => Ok(from_item::<SessionItem>(OPERATION, there)?.view()),
        }
    }
    fn new_session(
        &self,
        membership: &Membership,
        new: &NewPersonSession,
        now: Timestamp,
    ) -> SessionItem {
        let expires = now.plus_seconds(SESSION_SECONDS);
        SessionItem {
            session_id: new.session_id.clone(),
            key_id: new.key_id.clone(),
            user_id: self.scope.user_id().clone(),
            tenant: membership.scope.tenant().clone(),
            created_ms: now.as_millis(),
            seen_ms: now.as_millis(),
            expires_ms: expires.as_millis(),
            user_agent: new.user_agent.clone(),
            address: new.address,
            upk: keys::person(self.scope.user_id()),
            usk: new.session_id.to_string(),
            expires_at_seconds: expires.plus_seconds(3600).as_millis() / 1000,
        }
    }
}
