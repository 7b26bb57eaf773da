//! The events that relays sent, and what became of each: kept for a week, so that each is acted on once and people can see
//! what happened.

use super::millis;
use crate::call::{Item, from_item, key, string, to_item};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore, WriteId, keys};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use serde::{Deserialize, Serialize};
use wire::relay::{EventMetadata, RelayInstance, RoutingAction};
use wire::{EventId, EventOutcome, JobId, RelayId, Timestamp};

/// The sort key of an event.
const EVENT: &str = "E";

/// How long an event is kept, in seconds.
const KEPT_SECONDS: i64 = 7 * 24 * 3600;

/// How many events a page has at most: one read of items takes so many.
const MAX_PAGE: usize = 100;

/// An event, and what becomes of it. That is decided once, before anything is done: whoever is given the event again does what
/// is recorded, whatever the rules say by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The relay that sent it.
    pub relay_id: RelayId,
    /// What happened.
    pub event: EventMetadata,
    /// Which of the relay's processes numbered it.
    pub instance: RelayInstance,
    /// Its number there.
    pub sequence: u64,
    /// What became of it.
    pub outcome: EventOutcome,
    /// Why it was refused, in a word.
    pub reason: Option<String>,
    /// The rule that was for it, by its place.
    pub rule: Option<u32>,
    /// The version of the rules.
    pub routing_version: u64,
    /// What that rule says is done.
    pub action: Option<RoutingAction>,
    /// The job that is put in line for it.
    pub job_id: Option<JobId>,
    /// When it was decided on.
    pub acted_at: Timestamp,
    /// Whether what was decided has been done.
    pub is_done: bool,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPosition(String);

/// A page of events.
#[derive(Debug, Default)]
pub struct EventPage {
    /// The events, the last received first.
    pub events: Vec<RecordedEvent>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<EventPosition>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EventItem {
    relay_id: RelayId,
    /// JSON of the metadata, which is a closed set of fields.
    event: String,
    instance: RelayInstance,
    sequence: u64,
    outcome: EventOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<u32>,
    routing_version: u64,
    /// JSON of the rule's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
    acted_at: i64,
    /// There as long as it is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<bool>,
    lpk: String,
    lsk: String,
    expires_at_seconds: i64,
}

fn read_event(operation: &'static str, item: Item) -> Result<RecordedEvent, StoreError> {
    let item: EventItem = from_item(operation, item)?;
    let action = item.action.map(|text| serde_json::from_str(&text));
    Ok(RecordedEvent {
        relay_id: item.relay_id,
        event: serde_json::from_str(&item.event)
            .map_err(|error| StoreError::unreadable(operation, error))?,
        instance: item.instance,
        sequence: item.sequence,
        outcome: item.outcome,
        reason: item.reason,
        rule: item.rule,
        routing_version: item.routing_version,
        action: action
            .transpose()
            .map_err(|error| StoreError::unreadable(operation, error))?,
        job_id: item.job_id,
        acted_at: Timestamp::from_millis(item.acted_at),
        is_done: item.pending.is_none(),
    })
}

impl TenantStore<'_> {
    /// The event, if it was decided on within a week. An event id is of one relay: another relay's is none.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn event(
        &self,
        relay: &RelayId,
        event: &EventId,
    ) -> Result<Option<RecordedEvent>, StoreError> {
        const OPERATION: &str = "get_event";
        let item = self
            .store
            .get_consistent(
                OPERATION,
                TableKind::Relays,
                key(self.scope.event(relay, event), EVENT),
            )
            .await?;
        item.map(|item| read_event(OPERATION, item)).transpose()
    }

    /// Records what becomes of an event, unless that was recorded before: what is there then.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn record_event(
        &self,
        recorded: &RecordedEvent,
        write_id: &WriteId,
    ) -> Result<Option<RecordedEvent>, StoreError> {
        const OPERATION: &str = "record_event";
        let event = &recorded.event;
        let unwritable = |error| StoreError::unreadable(OPERATION, error);
        let text = serde_json::to_string(event).map_err(unwritable)?;
        let action = recorded.action.as_ref().map(serde_json::to_string);
        let item = EventItem {
            relay_id: recorded.relay_id.clone(),
            event: text,
            instance: recorded.instance.clone(),
            sequence: recorded.sequence,
            outcome: recorded.outcome,
            reason: recorded.reason.clone(),
            rule: recorded.rule,
            routing_version: recorded.routing_version,
            action: action.transpose().map_err(unwritable)?,
            job_id: recorded.job_id.clone(),
            acted_at: millis(recorded.acted_at),
            pending: (!recorded.is_done).then_some(true),
            lpk: self.scope.relay_events(&recorded.relay_id),
            lsk: keys::dated(event.received_at, event.event_id.as_str()),
            expires_at_seconds: recorded.acted_at.plus_seconds(KEPT_SECONDS).as_millis() / 1000,
        };
        let mut item = to_item(OPERATION, &item)?;
        item.extend(key(
            self.scope.event(&recorded.relay_id, &event.event_id),
            EVENT,
        ));
        let there = self
            .store
            .put_new_item(OPERATION, TableKind::Relays, item, write_id)
            .await?;
        there.map(|item| read_event(OPERATION, item)).transpose()
    }

    /// Notes that what was decided on an event has been done. Doing so again changes nothing, nor does it for an event that
    /// has been forgotten.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn finish_event(&self, relay: &RelayId, event: &EventId) -> Result<(), StoreError> {
        const OPERATION: &str = "finish_event";
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.event(relay, event), EVENT)))
            .update_expression("REMOVE pending")
            .condition_expression("attribute_exists(pk)");
        self.store.update_if(OPERATION, update).await?;
        Ok(())
    }

    /// A page of a relay's events, the last received first; at most 100.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn events(
        &self,
        relay: &RelayId,
        limit: usize,
        after: Option<&EventPosition>,
    ) -> Result<EventPage, StoreError> {
        const OPERATION: &str = "list_events";
        let limit = limit.clamp(1, MAX_PAGE);
        // `~` comes after every digit.
        let before = after.map_or("~", |position| position.0.as_str());
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Relays))
            .index_name("list")
            .key_condition_expression("lpk = :events AND lsk < :before")
            .expression_attribute_values(":events", string(self.scope.relay_events(relay)))
            .expression_attribute_values(":before", string(before))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(1))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let sorts: Vec<_> = answer
            .items()
            .iter()
            .filter_map(|item| item.get("lsk")?.as_s().ok().cloned())
            .collect();
        let ids = sorts
            .iter()
            .filter_map(|sort| EventId::parse(sort.split_once('#')?.1).ok());
        let keys: Vec<_> = ids
            .map(|id| key(self.scope.event(relay, &id), EVENT))
            .collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Relays, keys)
            .await?;
        let mut events: Vec<_> = items
            .into_iter()
            .map(|item| read_event(OPERATION, item))
            .collect::<Result<_, _>>()?;
        let place = |event: &RecordedEvent| {
            keys::dated(event.event.received_at, event.event.event_id.as_str())
        };
        events.sort_by_key(|event| std::cmp::Reverse(place(event)));
        let next = (sorts.len() == limit)
            .then(|| sorts.last().cloned().map(EventPosition))
            .flatten();
        Ok(EventPage { events, next })
    }
}
