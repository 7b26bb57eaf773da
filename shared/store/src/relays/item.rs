//! A relay as an item.

use super::{POLL_SHARDS, RELAY, millis};
use crate::call::{Item, from_item};
use crate::{StoreError, TenantScope, keys};
use domain::Timestamp;
use domain::relay::{Heard, Polled, Relay};
use serde::{Deserialize, Serialize};
use wire::relay::{Federation, Label, QueueReference, RelayName, RoleArn, VaultReference};
use wire::{KeyName, QueueProvider, RelayId};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RelayItem {
    pk: String,
    sk: String,
    relay_id: RelayId,
    name: RelayName,
    inbound_queue: QueueReference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision_queue: Option<QueueReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter_queue: Option<QueueReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<RoleArn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    federation: Option<Federation>,
    external_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vault: Option<VaultReference>,
    created_by: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_key: Option<KeyName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_key: Option<KeyName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard: Option<HeardItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    polled: Option<PolledItem>,
    lpk: String,
    lsk: String,
    /// Place in the register of relays that are polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ppk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    psk: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeardItem {
    at: i64,
    version: Label,
    queue_reachable: bool,
    vault_reachable: bool,
    sent: u64,
    refused: u64,
    duplicates: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue_depth: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PolledItem {
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<&Heard> for HeardItem {
    fn from(heard: &Heard) -> Self {
        Self {
            at: millis(heard.at),
            version: heard.version.clone(),
            queue_reachable: heard.queue_reachable,
            vault_reachable: heard.vault_reachable,
            sent: heard.sent,
            refused: heard.refused,
            duplicates: heard.duplicates,
            queue_depth: heard.queue_depth,
        }
    }
}

impl From<HeardItem> for Heard {
    fn from(item: HeardItem) -> Self {
        Self {
            at: Timestamp::from_millis(item.at),
            version: item.version,
            queue_reachable: item.queue_reachable,
            vault_reachable: item.vault_reachable,
            sent: item.sent,
            refused: item.refused,
            duplicates: item.duplicates,
            queue_depth: item.queue_depth,
        }
    }
}

impl From<&Polled> for PolledItem {
    fn from(polled: &Polled) -> Self {
        Self {
            at: millis(polled.at),
            failure: polled.failure.clone(),
        }
    }
}

impl From<PolledItem> for Polled {
    fn from(item: PolledItem) -> Self {
        Self {
            at: Timestamp::from_millis(item.at),
            failure: item.failure,
        }
    }
}

impl RelayItem {
    pub(super) fn new(scope: &TenantScope, relay: &Relay) -> Self {
        let id = &relay.relay_id;
        // A queue of SQS without a role lets us in by its own policy, or triggers us: it is not polled.
        let is_polled = match relay.inbound_queue.provider {
            QueueProvider::AwsSqs => relay.role_arn.is_some(),
            QueueProvider::AzureServiceBus | QueueProvider::GcpPubsub | QueueProvider::Local => {
                true
            }
        };
        let shard = keys::shard_of(id.as_str(), POLL_SHARDS);
        Self {
            pk: scope.relay(id),
            sk: RELAY.to_owned(),
            relay_id: id.clone(),
            name: relay.name.clone(),
            inbound_queue: relay.inbound_queue.clone(),
            decision_queue: relay.decision_queue.clone(),
            dead_letter_queue: relay.dead_letter_queue.clone(),
            role_arn: relay.role_arn.clone(),
            federation: relay.federation.clone(),
            external_id: relay.external_id.clone(),
            vault: relay.vault.clone(),
            created_by: relay.created_by.clone(),
            created_at: millis(relay.created_at),
            current_key: relay.current_key.clone(),
            previous_key: relay.previous_key.as_ref().map(|(key, _)| key.clone()),
            previous_until: relay.previous_key.as_ref().map(|(_, until)| millis(*until)),
            heard: relay.heard.as_ref().map(HeardItem::from),
            polled: relay.polled.as_ref().map(PolledItem::from),
            lpk: scope.relays(),
            lsk: keys::dated(relay.created_at, id.as_str()),
            ppk: is_polled.then(|| keys::poll_shard(shard)),
            psk: is_polled.then(|| format!("{}#{id}", scope.tenant())),
        }
    }
}

pub(super) fn read_relay(operation: &'static str, item: Item) -> Result<Relay, StoreError> {
    let mut item: RelayItem = from_item(operation, item)?;
    // The first key that a relay brings is written as the one before it as well.
    if item.previous_key == item.current_key {
        item.previous_key = None;
    }
    Ok(Relay {
        relay_id: item.relay_id,
        name: item.name,
        inbound_queue: item.inbound_queue,
        decision_queue: item.decision_queue,
        dead_letter_queue: item.dead_letter_queue,
        role_arn: item.role_arn,
        federation: item.federation,
        external_id: item.external_id,
        vault: item.vault,
        created_by: item.created_by,
        created_at: Timestamp::from_millis(item.created_at),
        current_key: item.current_key,
        previous_key: item
            .previous_key
            .zip(item.previous_until.map(Timestamp::from_millis)),
        heard: item.heard.map(Heard::from),
        polled: item.polled.map(Polled::from),
    })
}
