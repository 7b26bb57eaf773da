//! Relays: what is known of each, its keys, its routing rules, and the events that it sent.

mod events;
mod item;
mod keys;
mod routing;

pub use events::{EventPage, EventPosition, RecordedEvent};
pub use keys::{NewRelayEnrolment, NewRelayKey, RelayEnrolment, RelayKey, RelayKeyRotation};
pub use routing::{Routing, RoutingOutcome};

#[cfg(test)]
mod tests;

use crate::call::{Item, key, number, string, to_item};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::update::Outcome;
use crate::{Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnConsumedCapacity, TransactWriteItem,
};
use domain::Timestamp;
use domain::relay::{Heard, Polled, Relay};
use item::{RelayItem, read_relay};
use std::collections::BTreeSet;
use wire::relay::QueueReference;
use wire::{QueueProvider, RelayId, TenantId};

/// The sort key of a relay's own item.
const RELAY: &str = "R";
/// The sort key of the item that says whose a role or a queue is.
const CLAIM: &str = "CLAIM";

/// How many relays an organisation may have: a list reads them all, and the schedule polls each. It is looked at before a relay
/// is made, so those that are made at the same moment can go beyond it; a list then has the newest.
pub const MAX_RELAYS: usize = 100;

/// How many partitions the relays that are polled are spread over.
pub const POLL_SHARDS: u32 = 4;

/// Relays whose queues the control plane reads.
#[derive(Debug)]
pub struct PolledPage {
    /// Which they are.
    pub relays: Vec<(TenantScope, RelayId)>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<PolledPosition>,
}

/// A place among the relays of a shard whose queues the control plane reads.
#[derive(Debug)]
pub struct PolledPosition(Item);

/// How often a write is tried that others get in the way of.
const MAX_TRIES: usize = 8;

/// What became of a relay that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayCreation {
    /// It is there.
    Created,
    /// The role is another organisation's.
    RoleTaken,
    /// A queue that lets the control plane in without a role is another organisation's.
    QueueTaken,
}

/// The keys of what is one organisation's.
fn claims_of(relay: &Relay) -> BTreeSet<String> {
    if let Some(role) = &relay.role_arn {
        return BTreeSet::from([crate::keys::role(role)]);
    }
    let queues = [
        Some(&relay.inbound_queue),
        relay.decision_queue.as_ref(),
        relay.dead_letter_queue.as_ref(),
    ];
    let of_aws = |queue: &&QueueReference| queue.provider == QueueProvider::AwsSqs;
    let queues = queues.into_iter().flatten().filter(of_aws);
    queues.map(|it| crate::keys::queue(&it.address)).collect()
}

fn unbuilt(operation: &'static str) -> impl Fn(BuildError) -> StoreError {
    move |error| StoreError::unreadable(operation, error)
}

impl Store {
    /// A page of up to 100 relays of one shard whose queues the control plane reads, of all tenants: the first, or the one after
    /// another.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn relays_to_poll(
        &self,
        shard: u32,
        after: Option<PolledPosition>,
    ) -> Result<PolledPage, StoreError> {
        const OPERATION: &str = "relays_to_poll";
        let answer = self
            .client
            .query()
            .table_name(self.tables.name(TableKind::Relays))
            .index_name("poll")
            .key_condition_expression("ppk = :shard")
            .expression_attribute_values(":shard", string(crate::keys::poll_shard(shard)))
            .set_exclusive_start_key(after.map(|PolledPosition(key)| key))
            .limit(100)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.count_read(OPERATION, answer.consumed_capacity());
        Ok(PolledPage {
            relays: answer.items().iter().filter_map(polled_of).collect(),
            next: answer.last_evaluated_key.map(PolledPosition),
        })
    }
}

fn polled_of(item: &Item) -> Option<(TenantScope, RelayId)> {
    let (tenant, relay) = item.get("psk")?.as_s().ok()?.split_once('#')?;
    let tenant = TenantId::parse(tenant).ok()?;
    Some((TenantScope::new(tenant), RelayId::parse(relay).ok()?))
}

impl TenantStore<'_> {
    /// Adds a relay and the token that its first key is enrolled with: both, or neither if its role is another
    /// organisation's. The role is this organisation's from then on. Without a role, so are queues of SQS, since whoever
    /// names one could have it read or written to.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_relay(
        &self,
        relay: &Relay,
        enrolment: &NewRelayEnrolment,
        write_id: &WriteId,
    ) -> Result<RelayCreation, StoreError> {
        const OPERATION: &str = "create_relay";
        let mut item = to_item(OPERATION, &RelayItem::new(self.scope, relay))?;
        item.insert(
            keys::ENROLMENT.to_owned(),
            string(enrolment.key_id.as_str()),
        );
        let mut writes = vec![
            self.putting(OPERATION, TableKind::Relays, item)?,
            self.putting(
                OPERATION,
                TableKind::Credentials,
                self.enrolment_item(OPERATION, enrolment, relay.created_at)?,
            )?,
        ];
        for claimed in claims_of(relay) {
            writes.push(self.claims(OPERATION, claimed)?);
        }
        let taken = match relay.role_arn {
            Some(_) => RelayCreation::RoleTaken,
            None => RelayCreation::QueueTaken,
        };
        for _ in 0..MAX_TRIES {
            let became = self
                .store
                .transact(OPERATION, writes.clone(), write_id)
                .await?;
            match became {
                Transacted::Done => return Ok(RelayCreation::Created),
                Transacted::Conflict => {}
                // The id and the token are made for this call: if the relay is there, an answer was lost.
                Transacted::Stale if self.relay(&relay.relay_id).await?.is_some() => {
                    return Ok(RelayCreation::Created);
                }
                Transacted::Stale => return Ok(taken),
            }
        }
        Err(busy(OPERATION))
    }

    fn putting(
        &self,
        operation: &'static str,
        table: TableKind,
        item: Item,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(self.store.tables.name(table))
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(unbuilt(operation))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A role is one organisation's: the confused deputy's other half would be a role that two may name.
    fn claims(
        &self,
        operation: &'static str,
        claimed: String,
    ) -> Result<TransactWriteItem, StoreError> {
        let tenant = self.scope.tenant().as_str();
        let mut item = key(claimed, CLAIM);
        item.insert("tenant".to_owned(), string(tenant));
        let put = Put::builder()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR tenant = :tenant")
            .expression_attribute_values(":tenant", string(tenant))
            .build()
            .map_err(unbuilt(operation))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The relay, as it is now.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn relay(&self, relay: &RelayId) -> Result<Option<Relay>, StoreError> {
        const OPERATION: &str = "get_relay";
        let item = self
            .store
            .get_consistent(
                OPERATION,
                TableKind::Relays,
                key(self.scope.relay(relay), RELAY),
            )
            .await?;
        item.map(|item| read_relay(OPERATION, item)).transpose()
    }

    /// The tenant's relays, newest first: all of them, since there are at most [`MAX_RELAYS`].
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn relays(&self) -> Result<Vec<Relay>, StoreError> {
        const OPERATION: &str = "list_relays";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Relays))
            .index_name("list")
            .key_condition_expression("lpk = :relays")
            .expression_attribute_values(":relays", string(self.scope.relays()))
            .scan_index_forward(false)
            .limit(100)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let ids = answer.items().iter().filter_map(|item| {
            let (_at, id) = item.get("lsk")?.as_s().ok()?.split_once('#')?;
            RelayId::parse(id).ok()
        });
        let keys: Vec<_> = ids.map(|id| key(self.scope.relay(&id), RELAY)).collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Relays, keys)
            .await?;
        let mut relays: Vec<_> = items
            .into_iter()
            .map(|item| read_relay(OPERATION, item))
            .collect::<Result<_, _>>()?;
        relays.sort_by(|one, other| other.relay_id.cmp(&one.relay_id));
        Ok(relays)
    }

    /// Takes a relay away, with its routing rules. Its keys open nothing from then on, since what they are for is gone; its
    /// role stays this organisation's. `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; nothing is deleted then.
    pub async fn delete_relay(
        &self,
        relay: &RelayId,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "delete_relay";
        let delete = |sort: &str, condition: Option<&str>| {
            Delete::builder()
                .table_name(self.store.tables.name(TableKind::Relays))
                .set_key(Some(key(self.scope.relay(relay), sort)))
                .set_condition_expression(condition.map(str::to_owned))
                .build()
                .map(|delete| TransactWriteItem::builder().delete(delete).build())
                .map_err(unbuilt(OPERATION))
        };
        let writes = vec![
            delete(RELAY, Some("attribute_exists(pk)"))?,
            delete(routing::ROUTING, None)?,
        ];
        for _ in 0..MAX_TRIES {
            match self
                .store
                .transact(OPERATION, writes.clone(), write_id)
                .await?
            {
                Transacted::Done => return Ok(true),
                Transacted::Stale => return Ok(false),
                Transacted::Conflict => {}
            }
        }
        Err(busy(OPERATION))
    }

    /// Notes what a relay said of itself. `false` if there is no such relay. Of two that arrive out of order the later stays.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn note_relay_heartbeat(
        &self,
        relay: &RelayId,
        heard: &Heard,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "relay_heartbeat";
        let heard_item = to_item(OPERATION, &item::HeardItem::from(heard))?;
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.relay(relay), RELAY)))
            .update_expression("SET heard = :heard, heard_at = :at")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(heard_at) OR heard_at <= :at)",
            )
            .expression_attribute_values(":heard", AttributeValue::M(heard_item))
            .expression_attribute_values(":at", number(heard.at.as_millis()));
        Ok(match self.store.update_if(OPERATION, update).await? {
            Outcome::Applied(_) | Outcome::Stale(_) => true,
            Outcome::Missing => false,
        })
    }

    /// Notes how a relay's queue was read. A relay that is gone stays so.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn note_relay_poll(
        &self,
        relay: &RelayId,
        polled: &Polled,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "relay_poll";
        let polled_item = to_item(OPERATION, &item::PolledItem::from(polled))?;
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.tables.name(TableKind::Relays))
            .set_key(Some(key(self.scope.relay(relay), RELAY)))
            .update_expression("SET polled = :polled")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":polled", AttributeValue::M(polled_item));
        self.store.update_if(OPERATION, update).await?;
        Ok(())
    }
}

fn busy(operation: &'static str) -> StoreError {
    StoreError::Busy {
        operation,
        reason: "others wrote the same relay at the same time".to_owned(),
    }
}

/// The time as it is kept.
fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}
