//! From a presented session to the person, and to what they may do now.

use super::{SEEN_LAG_MILLIS, SessionItem, session_key};
use crate::call::{from_item, number};
use crate::people::MembershipItem;
use crate::schema::TableKind;
use crate::update::Outcome;
use crate::{PersonScope, Presented, Store, StoreError, Subject, TenantScope, Verified};
use std::time::Duration;
use wire::Timestamp;

const AUTHENTICATE: &str = "authenticate";

/// How long a request may be held up to note that a session was used.
const PATIENCE: Duration = Duration::from_millis(500);

impl Store {
    /// Verifies a person's session. One eventually consistent read of the session and the membership together. A session that was
    /// not seen costs a second read, if the membership that it names was: of what somebody has made up there is neither.
    pub(crate) async fn authenticate_person(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<Verified>, StoreError> {
        let sessions = TableKind::Sessions;
        let session_key = session_key(&presented.secret_sha256);
        let (session, membership) = self
            .read_with_membership(
                AUTHENTICATE,
                (sessions, session_key.clone()),
                &presented.key_id,
            )
            .await?;
        let session = match (session, &membership) {
            (Some(session), _) => Some(session),
            // A browser comes back within milliseconds of its sign-in, before the session may have reached the copy that an
            // eventually consistent read asks.
            (None, Some(_)) => {
                self.get_consistent(AUTHENTICATE, sessions, session_key)
                    .await?
            }
            // The membership comes before the session, by a few writes also when somebody is new.
            (None, None) => None,
        };
        let Some(session) = session else {
            return Ok(None);
        };
        let session: SessionItem = from_item(AUTHENTICATE, session)?;
        if session.key_id != presented.key_id || !session.is_good(now) {
            return Ok(None);
        }
        let membership = self.membership_now(&presented.key_id, membership).await?;
        let Some(membership) = membership.filter(|membership| session.stands_under(membership))
        else {
            return Ok(None);
        };
        let seen = self.note_seen(&session, presented, now).await;
        let ends_at = SessionItem {
            seen_ms: seen,
            ..session.clone()
        }
        .end();
        Ok(Some(Verified {
            scope: TenantScope::new(session.tenant),
            key_id: session.key_id,
            subject: Subject::Person {
                person: PersonScope::new(session.user_id),
                role: membership.role,
                session_id: session.session_id,
            },
            scopes: Vec::new(),
            expires_at: Some(ends_at),
        }))
    }

    /// Writes down that the session was used, at most every 5 minutes. When it was last used, as far as is written.
    async fn note_seen(&self, session: &SessionItem, presented: &Presented, now: Timestamp) -> i64 {
        const OPERATION: &str = "note_use";
        let due_before = now.plus_millis(-SEEN_LAG_MILLIS).as_millis();
        if session.seen_ms > due_before {
            return session.seen_ms;
        }
        let update = self
            .client
            .update_item()
            .table_name(self.tables.name(TableKind::Sessions))
            .set_key(Some(session_key(&presented.secret_sha256)))
            .update_expression("SET seen_ms = :now")
            // Two requests at the same time write once, and one that has just been ended stays away.
            .condition_expression("attribute_exists(pk) AND seen_ms <= :due")
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":due", number(due_before));
        let written = self.update_if(OPERATION, update);
        let error = match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(Outcome::Applied(_))) => return now.as_millis(),
            Ok(Ok(Outcome::Stale(_) | Outcome::Missing)) => return session.seen_ms,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not in time".to_owned(),
        };
        tracing::warn!(session_id = %session.session_id, error, "a session's use was not noted");
        session.seen_ms
    }
}

impl SessionItem {
    /// Whether it was opened for that membership, and not ended with others of it.
    pub(super) fn stands_under(&self, membership: &MembershipItem) -> bool {
        membership.handle == self.key_id.member()
            && membership.user_id == self.user_id
            && membership.tenant == self.tenant
            && (membership.session_kept.as_ref() == Some(&self.session_id)
                || membership
                    .sessions_from_ms
                    .is_none_or(|from| self.created_ms >= from))
    }
}
