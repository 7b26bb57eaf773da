//! A session takes another's place: a person goes on in another of their organisations.

use super::{NewPersonSession, PersonSession, SESSION, SessionItem, session_key};
use crate::call::{from_item, key, number, string, to_item};
use crate::people::MembershipItem;
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{MemberHandle, Membership, PersonStore, Presented, StoreError, WriteId, keys, people};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};
use wire::Timestamp;

const OPERATION: &str = "replace_person_session";

/// How often it is tried when others get in the way.
const MAX_TRIES: usize = 8;

impl PersonStore<'_> {
    /// Opens a session in an organisation in the place of the one that is presented, which ends with the same write. The new
    /// one ends when the old one would have ended at the latest: however often somebody switches, a day after their sign-in
    /// they sign in again. `None` if the old one is not good any more, or if the sessions that began when it did have been
    /// ended where it leads to.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn replace_session(
        &self,
        old: &Presented,
        membership: &Membership,
        new: &NewPersonSession,
        now: Timestamp,
    ) -> Result<Option<PersonSession>, StoreError> {
        let write_id = WriteId::new([0; 8]);
        for _ in 0..MAX_TRIES {
            let Some(seen) = self.session_item(&old.secret_sha256).await? else {
                // Ended, or replaced by an earlier try of this call.
                let made = self.session_item(&new.secret_sha256).await?;
                return Ok(made.map(SessionItem::view));
            };
            if seen.key_id != old.key_id || !seen.is_good(now) {
                return Ok(None);
            }
            let item = SessionItem {
                expires_ms: seen.expires_ms,
                expires_at_seconds: seen.expires_at_seconds,
                ..self.new_session(membership, new, now)
            };
            let writes = self.replacement(&seen, old, (&item, &new.secret_sha256))?;
            match self.store.transact(OPERATION, writes, &write_id).await? {
                Transacted::Done => return Ok(Some(item.view())),
                // Whether it has ended since, or all sessions of either membership were ended.
                Transacted::Stale if !self.stands(&seen, &item).await? => return Ok(None),
                Transacted::Stale | Transacted::Conflict => {}
            }
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others got in the way".to_owned(),
        })
    }

    /// A session of this person, as it is now.
    async fn session_item(
        &self,
        secret_sha256: &[u8; 32],
    ) -> Result<Option<SessionItem>, StoreError> {
        let item = self
            .store
            .get_consistent(OPERATION, TableKind::Sessions, session_key(secret_sha256))
            .await?;
        let item: Option<SessionItem> = item.map(|item| from_item(OPERATION, item)).transpose()?;
        Ok(item.filter(|item| item.user_id == *self.scope.user_id()))
    }

    /// Whether the membership that a session was opened for and the one that the next is for are there, and whether sessions
    /// as old as the first were ended under neither.
    async fn stands(&self, seen: &SessionItem, next: &SessionItem) -> Result<bool, StoreError> {
        for handle in memberships(seen, next) {
            let membership_key = key(keys::membership(&handle), people::MEMBERSHIP);
            let item = self
                .store
                .get_consistent(OPERATION, TableKind::People, membership_key)
                .await?;
            let membership: Option<MembershipItem> =
                item.map(|item| from_item(OPERATION, item)).transpose()?;
            if !membership.is_some_and(|membership| goes_on_under(seen, &membership)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn replacement(
        &self,
        seen: &SessionItem,
        old: &Presented,
        (item, secret_sha256): (&SessionItem, &[u8; 32]),
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let broken = |error: BuildError| StoreError::unreadable(OPERATION, error);
        let sessions = self.store.tables.name(TableKind::Sessions);
        let mut attributes = to_item(OPERATION, item)?;
        attributes.extend(session_key(secret_sha256));
        let put = Put::builder()
            .table_name(sessions)
            .set_item(Some(attributes))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(broken)?;
        let delete = Delete::builder()
            .table_name(sessions)
            .set_key(Some(key(keys::person_session(&old.secret_sha256), SESSION)))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(broken)?;
        let mut writes = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().delete(delete).build(),
        ];
        for handle in memberships(seen, item) {
            let check = self.goes_on(seen, &handle).map_err(broken)?;
            writes.push(TransactWriteItem::builder().condition_check(check).build());
        }
        Ok(writes)
    }

    /// As [`goes_on_under`]: whoever has ended all sessions has ended this one, also while it was being replaced.
    fn goes_on(
        &self,
        seen: &SessionItem,
        handle: &MemberHandle,
    ) -> Result<ConditionCheck, BuildError> {
        ConditionCheck::builder()
            .table_name(self.store.tables.name(TableKind::People))
            .set_key(Some(key(keys::membership(handle), people::MEMBERSHIP)))
            .condition_expression(
                "user_id = :user AND (attribute_not_exists(sessions_from_ms) \
                 OR sessions_from_ms <= :created OR session_kept = :session)",
            )
            .expression_attribute_values(":user", string(seen.user_id.as_str()))
            .expression_attribute_values(":created", number(seen.created_ms))
            .expression_attribute_values(":session", string(seen.session_id.as_str()))
            .build()
    }
}

/// The memberships of a session and of the one that takes its place. All sessions of a person are ended under one membership
/// after the other: a session that leaves the last of them must not arrive where the first was.
fn memberships(seen: &SessionItem, next: &SessionItem) -> Vec<MemberHandle> {
    let mut handles = vec![seen.key_id.member(), next.key_id.member()];
    handles.dedup();
    handles
}

/// Whether a session that is as old as this one was not ended with others of a membership of the same person.
fn goes_on_under(seen: &SessionItem, membership: &MembershipItem) -> bool {
    membership.user_id == seen.user_id
        && (membership.session_kept.as_ref() == Some(&seen.session_id)
            || membership
                .sessions_from_ms
                .is_none_or(|from| seen.created_ms >= from))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::sessions::{SESSION_IDLE_SECONDS, SESSION_SECONDS};
    use crate::testing::{NOW, bytes, join, open_session, sign_in, stores};
    use crate::{CredentialKind, KeyId, Store};
    use wire::{Role, SessionId};

    fn new_session(membership: &Membership) -> (NewPersonSession, Presented) {
        let presented = Presented {
            kind: CredentialKind::PersonSession,
            key_id: KeyId::of_member(&membership.handle, bytes()),
            secret_sha256: bytes(),
        };
        let new = NewPersonSession {
            session_id: SessionId::new(NOW, bytes()),
            key_id: presented.key_id.clone(),
            secret_sha256: presented.secret_sha256,
            user_agent: None,
            address: None,
        };
        (new, presented)
    }

    async fn is_good(store: &Store, presented: &Presented, now: Timestamp) -> bool {
        store.authenticate(presented, now).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_session_that_takes_anothers_place_ends_with_the_same_sign_in() {
        for (_, store) in stores().await {
            let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
            let host = ada.memberships[0].scope.clone();
            let there = join(&store, &host, &grace, Role::Viewer).await;
            let (_, old) = open_session(&store, &grace, &grace.memberships[0], NOW).await;
            let later = NOW.plus_seconds(SESSION_IDLE_SECONDS - 1);
            let (new, presented) = new_session(&there);
            let own = store.person(&grace.scope);
            for _ in 0..2 {
                // The second time because the answer to the first was lost.
                let made = own
                    .replace_session(&old, &there, &new, later)
                    .await
                    .unwrap();
                assert_eq!(made.unwrap().tenant, *host.tenant());
            }
            assert!(!is_good(&store, &old, later).await);
            assert!(is_good(&store, &presented, later).await);
            let mut now = later;
            while now < NOW.plus_seconds(SESSION_SECONDS) {
                assert!(is_good(&store, &presented, now).await);
                now = now.plus_seconds(3600);
            }
            assert!(!is_good(&store, &presented, NOW.plus_seconds(SESSION_SECONDS)).await);
        }
    }

    #[tokio::test]
    async fn a_session_that_has_ended_is_replaced_by_none() {
        for (_, store) in stores().await {
            let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
            let own = store.person(&ada.scope);
            let membership = &ada.memberships[0];
            let (new, presented) = new_session(membership);
            let (_, foreign) = open_session(&store, &grace, &grace.memberships[0], NOW).await;
            let (_, idle) = open_session(&store, &ada, membership, NOW).await;
            let (_, ended) = open_session(&store, &ada, membership, NOW).await;
            store.end_presented_session(&ended).await.unwrap();
            let late = NOW.plus_seconds(SESSION_IDLE_SECONDS);
            for (old, now) in [(&foreign, NOW), (&idle, late), (&ended, NOW)] {
                let made = own
                    .replace_session(old, membership, &new, now)
                    .await
                    .unwrap();
                assert_eq!(made, None);
            }
            assert!(!is_good(&store, &presented, NOW).await);
            assert!(is_good(&store, &foreign, NOW).await);
        }
    }

    #[tokio::test]
    async fn a_session_that_was_ended_with_all_others_is_not_replaced_before_it_is_gone() {
        for (_, store) in stores().await {
            let ada = sign_in(&store, "ada").await;
            let own = store.person(&ada.scope);
            let membership = &ada.memberships[0];
            let (_, old) = open_session(&store, &ada, membership, NOW).await;
            // As if the one who ends all sessions had got no further than to the membership.
            let later = NOW.plus_seconds(1);
            let (handle, user_id) = (&membership.handle, &membership.user_id);
            let ended = store.end_sessions_under(handle, user_id, None, later);
            ended.await.unwrap();
            let (new, presented) = new_session(membership);
            let made = own.replace_session(&old, membership, &new, later).await;
            assert_eq!(made.unwrap(), None);
            assert!(!is_good(&store, &presented, later).await);
        }
    }

    #[tokio::test]
    async fn a_session_does_not_escape_to_where_all_others_were_ended_already() {
        for (_, store) in stores().await {
            let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
            let host = ada.memberships[0].scope.clone();
            let there = join(&store, &host, &grace, Role::Viewer).await;
            let own = store.person(&grace.scope);
            let (_, old) = open_session(&store, &grace, &grace.memberships[0], NOW).await;
            // As if the one who ends all sessions had got no further than to the membership that the session goes to.
            let (ended, later) = (NOW.plus_seconds(1), NOW.plus_seconds(2));
            let (handle, user_id) = (&there.handle, &there.user_id);
            let ended = store.end_sessions_under(handle, user_id, None, ended);
            ended.await.unwrap();
            let (new, presented) = new_session(&there);
            let made = own.replace_session(&old, &there, &new, later).await;
            assert_eq!(made.unwrap(), None);
            assert!(!is_good(&store, &presented, later).await);
            assert!(is_good(&store, &old, later).await);
        }
    }

    #[tokio::test]
    async fn a_session_that_was_kept_when_the_others_ended_goes_on_elsewhere() {
        for (_, store) in stores().await {
            let (ada, grace) = (sign_in(&store, "ada").await, sign_in(&store, "grace").await);
            let host = ada.memberships[0].scope.clone();
            let there = join(&store, &host, &grace, Role::Viewer).await;
            let own = store.person(&grace.scope);
            let (kept, old) = open_session(&store, &grace, &grace.memberships[0], NOW).await;
            let (ended, later) = (NOW.plus_seconds(1), NOW.plus_seconds(2));
            own.end_sessions(Some(&kept.session_id), ended)
                .await
                .unwrap();
            let (new, presented) = new_session(&there);
            let made = own.replace_session(&old, &there, &new, later).await;
            assert!(made.unwrap().is_some());
            assert!(is_good(&store, &presented, later).await);
        }
    }
}
