//! From a presented credential to a verified one.

use super::agent_credentials::ParentItem;
use super::item::{KeyItem, SessionItem};
use super::{
    CredentialKind, KEY_SORT, KeyId, Presented, Subject, TokenMember, Verified, partition,
    session_sort,
};
use crate::call::{Item, from_item, key, number, string};
use crate::memory::KnownCredential;
use crate::schema::{PK, SK, TableKind};
use crate::{Store, StoreError, TenantScope};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use std::time::Duration;
use subtle::ConstantTimeEq;
use wire::Timestamp;

const AUTHENTICATE: &str = "authenticate";

/// How long a credential's `last_used_at` may lag behind.
const LAST_USED_LAG_MILLIS: i64 = 5 * 60 * 1000;

/// For how long a warm process remembers an agent's credential that it has verified.
pub(super) const REMEMBERED_MILLIS: i64 = 5 * 60 * 1000;

/// How long a request may be held up to note that a credential was used.
const LAST_USED_PATIENCE: Duration = Duration::from_millis(500);

/// The key or token, if it is the one that is presented, and good.
fn good_key(
    item: Option<Item>,
    presented: &Presented,
    now: Timestamp,
) -> Result<Option<KeyItem>, StoreError> {
    // What is of another kind has other attributes: it is no fault of ours that somebody presents its key id.
    let kind = string(presented.kind.word());
    let of_kind = |item: &Item| item.get("kind") == Some(&kind);
    let Some(item) = item.filter(of_kind) else {
        return Ok(None);
    };
    let key: KeyItem = from_item(AUTHENTICATE, item)?;
    let right = bool::from(key.secret_sha256.ct_eq(&presented.secret_sha256));
    let good = right && key.kind == presented.kind && key.is_good(now);
    Ok(good.then_some(key))
}

impl KeyItem {
    fn verified(&self, key_id: &KeyId, subject: Subject) -> Verified {
        Verified {
            scope: TenantScope::new(self.tenant.clone()),
            key_id: key_id.clone(),
            subject,
            scopes: self.scopes.clone(),
            expires_at: self.expires_at.map(Timestamp::from_millis),
        }
    }
}

impl Store {
    /// Verifies a credential. `None` for one that is unknown, whose secret is wrong, which is revoked, expired or of
    /// another kind: the caller cannot tell which.
    ///
    /// Costs one eventually consistent read: of the item, and together with it of the key behind an agent's session or of the
    /// membership behind a person's session or token. So a revocation takes effect within the second or so that DynamoDB
    /// needs to copy it. Every 5 minutes the use of the
    /// key is written down; if that fails, the request goes on.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn authenticate(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<Verified>, StoreError> {
        let verified = match presented.kind {
            CredentialKind::ApiToken => self.authenticate_token(presented, now).await?,
            CredentialKind::AgentKey => self.authenticate_key(presented, now).await?,
            CredentialKind::AgentSession => self.authenticate_session(presented, now).await?,
            CredentialKind::PersonSession => {
                return self.authenticate_person(presented, now).await;
            }
            // They open one thing each, and are looked at there.
            CredentialKind::Enrolment | CredentialKind::Invitation | CredentialKind::RelayKey => {
                return Ok(None);
            }
        };
        let Some((last_used_at, verified)) = verified else {
            return Ok(None);
        };
        self.note_use(last_used_at, presented, now).await;
        if presented.kind != CredentialKind::ApiToken {
            let known = KnownCredential {
                kind: presented.kind,
                verified: verified.clone(),
                verified_at: now,
            };
            self.memory.credentials.put(presented.secret_sha256, known);
        }
        Ok(Some(verified))
    }

    /// An agent's credential that this process has verified within the last five minutes. Nothing is read, so it may have
    /// ended in the meantime: only what a conditional write proves may be done on it. A registration is on the condition
    /// that the key is good. Revoking a key ends its agents and takes their jobs away, and then neither the condition of a
    /// heartbeat holds nor that of a job's write.
    pub fn known_credential(&self, presented: &Presented, now: Timestamp) -> Option<Verified> {
        let known = self.memory.credentials.get(&presented.secret_sha256)?;
        let fresh = now.millis_since(known.verified_at) < REMEMBERED_MILLIS;
        let good = known.verified.expires_at.is_none_or(|end| now < end);
        let same = known.verified.key_id == presented.key_id && known.kind == presented.kind;
        (fresh && good && same).then_some(known.verified)
    }

    async fn authenticate_token(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<(Option<i64>, Verified)>, StoreError> {
        let item_key = key(partition(&presented.key_id), KEY_SORT);
        let (item, membership) = self
            .read_with_membership(
                AUTHENTICATE,
                (TableKind::Credentials, item_key),
                &presented.key_id,
            )
            .await?;
        let Some(token) = good_key(item, presented, now)? else {
            return Ok(None);
        };
        let member = match &token.member {
            None => None,
            Some(user_id) => {
                let membership = self.membership_now(&presented.key_id, membership).await?;
                let own = membership.filter(|membership| {
                    membership.user_id == *user_id && membership.tenant == token.tenant
                });
                let Some(membership) = own else {
                    return Ok(None);
                };
                Some(TokenMember {
                    user_id: membership.user_id,
                    role: membership.role,
                })
            }
        };
        let name = token.name.clone();
        let verified = token.verified(&presented.key_id, Subject::Token { name, member });
        Ok(Some((token.last_used_at, verified)))
    }

    async fn authenticate_key(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<(Option<i64>, Verified)>, StoreError> {
        let item = self
            .read_credential(presented, KEY_SORT.to_owned(), false)
            .await?;
        let Some(key) = good_key(item, presented, now)? else {
            return Ok(None);
        };
        let Some(pool) = key.pool.clone() else {
            return Err(StoreError::unreadable(
                AUTHENTICATE,
                format_args!("{}: a key without a pool", key.pk),
            ));
        };
        let verified = key.verified(&presented.key_id, Subject::AgentKey { pool });
        Ok(Some((key.last_used_at, verified)))
    }

    async fn authenticate_session(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<(Option<i64>, Verified)>, StoreError> {
        let (key, session) = self.read_key_and_session(presented).await?;
        let Some(key) = key else { return Ok(None) };
        let key: ParentItem = from_item(AUTHENTICATE, key)?;
        let Some(end) = key.sessions_end(now) else {
            return Ok(None);
        };
        let session = match session {
            Some(session) => session,
            // An agent calls within milliseconds of its registration, before its session may have reached the copy that
            // an eventually consistent read asks. Only a caller who knows a good key's id costs this second read.
            None => match self
                .read_credential(presented, session_sort(&presented.secret_sha256), true)
                .await?
            {
                Some(session) => session,
                None => return Ok(None),
            },
        };
        let session: SessionItem = from_item(AUTHENTICATE, session)?;
        let right = bool::from(session.secret_sha256.ct_eq(&presented.secret_sha256));
        if !right
            || session.tenant != key.tenant
            || Some(&session.pool) != key.pool.as_ref()
            || !session.is_good(now)
        {
            return Ok(None);
        }
        let verified = Verified {
            scope: TenantScope::new(session.tenant),
            key_id: presented.key_id.clone(),
            subject: Subject::AgentSession {
                agent_id: session.agent_id,
                pool: session.pool,
            },
            scopes: Vec::new(),
            expires_at: Some(end.min(Timestamp::from_millis(session.expires_at))),
        };
        Ok(Some((key.last_used_at, verified)))
    }

    async fn read_credential(
        &self,
        presented: &Presented,
        sort: String,
        consistent: bool,
    ) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(&presented.key_id), &sort)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(AUTHENTICATE, &error))?;
        self.count_read(AUTHENTICATE, answer.consumed_capacity());
        Ok(answer.item)
    }

    async fn read_key_and_session(
        &self,
        presented: &Presented,
    ) -> Result<(Option<Item>, Option<Item>), StoreError> {
        let table = self.tables.name(TableKind::Credentials);
        let sort = session_sort(&presented.secret_sha256);
        let wanted = KeysAndAttributes::builder()
            .keys(key(partition(&presented.key_id), KEY_SORT))
            .keys(key(partition(&presented.key_id), &sort))
            .build()
            .map_err(|error| StoreError::unreadable(AUTHENTICATE, error))?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(table, wanted)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(AUTHENTICATE, &error))?;
        self.count_read(AUTHENTICATE, answer.consumed_capacity().first());
        if answer
            .unprocessed_keys()
            .is_some_and(|unprocessed| !unprocessed.is_empty())
        {
            return Err(StoreError::Busy {
                operation: AUTHENTICATE,
                reason: "keys were left unprocessed".to_owned(),
            });
        }
        let (mut found_key, mut found_session) = (None, None);
        let items = answer
            .responses
            .and_then(|mut tables| tables.remove(table))
            .unwrap_or_default();
        for item in items {
            if item
                .get(SK)
                .and_then(|sort| sort.as_s().ok())
                .is_some_and(|sort| sort == KEY_SORT)
            {
                found_key = Some(item);
            } else {
                found_session = Some(item);
            }
        }
        Ok((found_key, found_session))
    }

    /// Writes down that the key was used, at most every 5 minutes.
    async fn note_use(&self, last_used_at: Option<i64>, presented: &Presented, now: Timestamp) {
        const OPERATION: &str = "note_use";
        let due_before = now.plus_millis(-LAST_USED_LAG_MILLIS).as_millis();
        if last_used_at.is_some_and(|used| used > due_before) {
            return;
        }
        let update = self
            .client
            .update_item()
            .table_name(self.tables.name(TableKind::Credentials))
            .set_key(Some(key(partition(&presented.key_id), KEY_SORT)))
            .update_expression("SET last_used_at = :now")
            // Two requests at the same time write once.
            .condition_expression(
                "attribute_exists(#pk) AND (attribute_not_exists(last_used_at) OR last_used_at <= :due)",
            )
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":now", number(now.as_millis()))
            .expression_attribute_values(":due", number(due_before));
        let written = self.update_if(OPERATION, update);
        let error = match tokio::time::timeout(LAST_USED_PATIENCE, written).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not in time".to_owned(),
        };
        tracing::warn!(key_id = %presented.key_id, error, "a credential's use was not noted");
    }
}
