//! What is about to be recorded: an intent is put before a change, and ends with its record.

use super::chain::{Patience, Recorded};
use super::{MAINTENANCE, MAX_PAGE_RECORDS};
use crate::call::{Item, from_item, key, string};
use crate::keys::{dated, millis};
use crate::schema::{SK, TableKind};
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::agent::Agent;
use serde::Deserialize;
use wire::audit::{Action, Detail, Draft, Outcome};

/// For how long an intent is left to whoever put it, in seconds. A request takes 25 s at most.
const STALE_SECONDS: i64 = 60;

/// How many intents are read at a time, and how often, in one pass.
const READ_AT_ONCE: i32 = 100;
const MAX_READS: usize = 50;

/// The sort key of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentKey(String);

impl IntentKey {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A loss of an agent that is about to be declared.
#[derive(Debug)]
pub(crate) struct IntendedLoss {
    intent: IntentKey,
    draft: Draft,
}

#[derive(Deserialize)]
struct IntentItem {
    draft: String,
}

/// The draft of an intent as it is kept.
fn intent_item(
    operation: &'static str,
    partition: String,
    intent: &IntentKey,
    draft: &Draft,
) -> Result<Item, StoreError> {
    let text =
        serde_json::to_string(draft).map_err(|error| StoreError::unreadable(operation, error))?;
    let mut item = key(partition, intent.as_str());
    item.insert("draft".to_owned(), string(text));
    Ok(item)
}

impl TenantStore<'_> {
    /// Puts an intent: from here on there will be a record, whatever becomes of whoever puts it. The outcome of the draft is
    /// what is recorded if nobody says how it ended.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. The change must not be made then.
    pub async fn put_intent(
        &self,
        draft: &Draft,
        write_id: &WriteId,
    ) -> Result<IntentKey, StoreError> {
        const OPERATION: &str = "put_intent";
        let (intent, item) = self.new_intent(OPERATION, draft, write_id)?;
        self.store
            .put_new_item(OPERATION, TableKind::Audit, item, write_id)
            .await?;
        Ok(intent)
    }

    /// An intent, to be put.
    pub(crate) fn new_intent(
        &self,
        operation: &'static str,
        draft: &Draft,
        write_id: &WriteId,
    ) -> Result<(IntentKey, Item), StoreError> {
        let intent = IntentKey(dated(draft.at, write_id.as_str()));
        let item = intent_item(operation, self.scope.audit_intents(), &intent, draft)?;
        Ok((intent, item))
    }

    /// Says that an agent is about to be declared lost.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. The agent must not be declared lost then.
    pub(crate) async fn intend_loss(
        &self,
        agent: &Agent,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<IntendedLoss, StoreError> {
        let draft = Draft {
            at: now,
            actor: MAINTENANCE.to_owned(),
            credential_id: None,
            action: Action::AgentLost.as_str().to_owned(),
            resource: format!("agent:{}", agent.agent_id),
            outcome: Outcome::Unknown,
            before_sha256: None,
            after_sha256: None,
            request_id: None,
            address: None,
            detail: Detail::from([
                ("epoch".to_owned(), agent.epoch.to_string()),
                ("pool".to_owned(), agent.pool_name.to_string()),
            ]),
        };
        let intent = self.put_intent(&draft, write_id).await?;
        Ok(IntendedLoss { intent, draft })
    }

    /// Says whether the agent was declared lost, for maintenance to record or to forget. Whoever finds a loss has jobs to give
    /// back: if this fails, the loss is recorded as of unknown outcome.
    pub(crate) async fn end_loss(&self, loss: IntendedLoss, declared: bool) {
        let mut draft = loss.draft;
        draft.outcome = Outcome::Done;
        let ended = if declared {
            self.resolve_intent(&loss.intent, &draft).await
        } else {
            self.drop_intent(&loss.intent).await
        };
        if let Err(error) = ended {
            tracing::error!(%error, resource = draft.resource, "a loss will be recorded as of unknown outcome");
        }
    }

    /// Records what became of an intent. If maintenance was faster there is nothing left to do.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. The intent may still be there; then maintenance records it.
    pub async fn complete_intent(
        &self,
        intent: &IntentKey,
        draft: Draft,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<(), StoreError> {
        let settles = std::slice::from_ref(intent);
        self.append((&[draft], settles), Patience::SHORT, now, write_id)
            .await?;
        Ok(())
    }

    /// Writes into an intent what became of it, for maintenance to record.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn resolve_intent(
        &self,
        intent: &IntentKey,
        draft: &Draft,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "resolve_intent";
        let item = intent_item(OPERATION, self.scope.audit_intents(), intent, draft)?;
        let answer = self
            .store
            .client
            .put_item()
            .table_name(self.store.tables.name(TableKind::Audit))
            .set_item(Some(item))
            // One that is gone has its record.
            .condition_expression("attribute_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }

    /// Forgets an intent of which nothing came.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. The intent may still be there; then maintenance records it.
    pub async fn drop_intent(&self, intent: &IntentKey) -> Result<(), StoreError> {
        const OPERATION: &str = "drop_intent";
        let answer = self
            .store
            .client
            .delete_item()
            .table_name(self.store.tables.name(TableKind::Audit))
            .set_key(Some(key(self.scope.audit_intents(), intent.as_str())))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store
            .count_write(OPERATION, answer.consumed_capacity());
        Ok(())
    }

    /// Records the intents that nobody has ended for a minute. How many those were.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was recorded before stays.
    pub async fn complete_stale_intents(
        &self,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<usize, StoreError> {
        let until = millis(now.plus_seconds(-STALE_SECONDS));
        let mut recorded = 0;
        // What cannot be read stays, and must not keep what comes after it from being recorded.
        let mut after = String::new();
        for _ in 0..MAX_READS {
            let stale = self.stale_intents(&after, &until).await?;
            let is_last = stale.len() < READ_AT_ONCE as usize;
            let mut settled_elsewhere = false;
            for page in stale.chunks(MAX_PAGE_RECORDS) {
                let mut drafts = Vec::with_capacity(page.len());
                let mut settles = Vec::with_capacity(page.len());
                for (intent, draft) in page {
                    after.clone_from(&intent.0);
                    if let Some(draft) = draft {
                        drafts.push(draft.clone());
                        settles.push(intent.clone());
                    }
                }
                let write_id = WriteId::new(random());
                let page = (drafts.as_slice(), settles.as_slice());
                match self.append(page, Patience::LONG, now, &write_id).await? {
                    Recorded::Done => recorded += drafts.len(),
                    Recorded::Before => {
                        settled_elsewhere = true;
                        break;
                    }
                }
            }
            if settled_elsewhere {
                // Some of them have their record by now. Which ones is to be read.
                after.clear();
            } else if is_last {
                break;
            }
        }
        Ok(recorded)
    }

    async fn stale_intents(
        &self,
        after: &str,
        until: &str,
    ) -> Result<Vec<(IntentKey, Option<Draft>)>, StoreError> {
        const OPERATION: &str = "stale_intents";
        if after >= until {
            return Ok(Vec::new());
        }
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Audit))
            .key_condition_expression("pk = :intents AND sk BETWEEN :from AND :until")
            .expression_attribute_values(":intents", string(self.scope.audit_intents()))
            // The first character that a key may have, or any that none has, to leave out the key itself.
            .expression_attribute_values(":from", string(format!("{after}!")))
            .expression_attribute_values(":until", string(until))
            .limit(READ_AT_ONCE)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items.filter_map(read_intent).collect())
    }
}

fn read_intent(item: Item) -> Option<(IntentKey, Option<Draft>)> {
    const OPERATION: &str = "stale_intents";
    let intent = IntentKey(item.get(SK)?.as_s().ok()?.clone());
    let draft = from_item::<IntentItem>(OPERATION, item).and_then(|item| {
        serde_json::from_str(&item.draft).map_err(|error| StoreError::unreadable(OPERATION, error))
    });
    let draft = draft
        .inspect_err(|error| tracing::error!(%error, intent = intent.0, "an intent is left alone"));
    Some((intent, draft.ok()))
}
