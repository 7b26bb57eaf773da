//! From a presented credential to a verified one.

use super::item::{KeyItem, SessionItem};
use super::{CredentialKind, KEY_SORT, Presented, Subject, Verified, partition, session_sort};
use crate::call::{Item, from_item, key, number};
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
const REMEMBERED_MILLIS: i64 = 5 * 60 * 1000;

/// How long a request may be held up to note that a credential was used.
const LAST_USED_PATIENCE: Duration = Duration::from_millis(500);

impl Store {
    /// Verifies a credential. `None` for one that is unknown, whose secret is wrong, which is revoked, expired or of
    /// another kind: the caller cannot tell which.
    ///
    /// Costs one eventually consistent read: of the item, or for a session of the session and its key together. So a
    /// revocation takes effect within the second or so that DynamoDB needs to copy it. Every 5 minutes the use of the
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
            CredentialKind::ApiToken | CredentialKind::AgentKey => {
                self.authenticate_key(presented, now).await?
            }
            CredentialKind::AgentSession => self.authenticate_session(presented, now).await?,
        };
        let Some((key, verified)) = verified else {
            return Ok(None);
        };
        self.note_use(&key, presented, now).await;
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

    async fn authenticate_key(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<(KeyItem, Verified)>, StoreError> {
        let Some(item) = self
            .read_credential(presented, KEY_SORT.to_owned(), false)
            .await?
        else {
            return Ok(None);
        };
        let key: KeyItem = from_item(AUTHENTICATE, item)?;
        let right = bool::from(key.secret_sha256.ct_eq(&presented.secret_sha256));
        if !right || key.kind != presented.kind || !key.is_good(now) {
            return Ok(None);
        }
        let subject = match (key.kind, &key.pool) {
            (CredentialKind::ApiToken, _) => Subject::Token {
                name: key.name.clone(),
            },
            (CredentialKind::AgentKey, Some(pool)) => Subject::AgentKey { pool: pool.clone() },
            (CredentialKind::AgentKey, None) | (CredentialKind::AgentSession, _) => {
                return Err(StoreError::unreadable(
                    AUTHENTICATE,
                    format_args!(
                        "{}: a key without a pool, or a session in a key's place",
                        key.pk
                    ),
                ));
            }
        };
        let verified = Verified {
            scope: TenantScope::new(key.tenant.clone()),
            key_id: presented.key_id.clone(),
            subject,
            scopes: key.scopes.clone(),
            expires_at: key.expires_at.map(Timestamp::from_millis),
        };
        Ok(Some((key, verified)))
    }

    async fn authenticate_session(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<(KeyItem, Verified)>, StoreError> {
        let (key, session) = self.read_key_and_session(presented).await?;
        let Some(key) = key else { return Ok(None) };
        let key: KeyItem = from_item(AUTHENTICATE, key)?;
        if key.kind != CredentialKind::AgentKey || !key.is_good(now) {
            return Ok(None);
        }
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
            expires_at: Some(Timestamp::from_millis(
                key.expires_at
                    .map_or(session.expires_at, |end| end.min(session.expires_at)),
            )),
        };
        Ok(Some((key, verified)))
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
    async fn note_use(&self, item: &KeyItem, presented: &Presented, now: Timestamp) {
        const OPERATION: &str = "note_use";
        let due_before = now.plus_millis(-LAST_USED_LAG_MILLIS).as_millis();
        if item.last_used_at.is_some_and(|used| used > due_before) {
            return;
        }
        let written = self
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
            .expression_attribute_values(":due", number(due_before))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        match tokio::time::timeout(LAST_USED_PATIENCE, written).await {
            Ok(Ok(answer)) => self.count_write(OPERATION, answer.consumed_capacity()),
            Ok(Err(error))
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::is_conditional_check_failed_exception,
                ) =>
            {
                self.meter.lost_race(OPERATION);
            }
            Ok(Err(error)) => {
                let error = StoreError::from_sdk(OPERATION, &error);
                tracing::warn!(key_id = %presented.key_id, %error, "a credential's use was not noted");
            }
            Err(_) => {
                tracing::warn!(key_id = %presented.key_id, "a credential's use was not noted in time");
            }
        }
    }
}
