//! A message: read, and believed only if the relay that it names has signed it, and it came over that relay's own queue.

use crate::Orchestrator;
use crate::reason::Disbelief;
use data_encoding::BASE64;
use domain::relay::Relay;
use ed25519_dalek::{Signature, VerifyingKey};
use queues::SqsAddress;
use std::collections::HashMap;
use std::sync::Arc;
use store::{KeyId, RelayKey, StoreError, TenantScope};
use wire::relay::{Envelope, MAX_MESSAGE_BYTES, QueueReference, RelayEvent, signed_bytes};
use wire::{Check, KeyName, QueueProvider, RelayId};

/// The only version of an envelope.
const VERSION: u32 = 1;

/// A message of a customer's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The queue's own id of it, for the log.
    pub message_id: String,
    /// What was sent.
    pub body: String,
    /// The queue that it came over.
    pub source: Source,
}

/// The queue that a message came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A queue of SQS that triggers the function.
    Arn(String),
    /// The inbound queue of a relay of that organisation, which was read on its behalf.
    Polled(TenantScope, QueueReference),
}

impl Source {
    fn is_of(&self, scope: &TenantScope, relay: &Relay) -> bool {
        let own = &relay.inbound_queue;
        match self {
            Self::Arn(arn) => {
                own.provider == QueueProvider::AwsSqs
                    && SqsAddress::parse(&own.address).is_ok_and(|own| own.arn() == *arn)
            }
            Self::Polled(polled_for, queue) => polled_for == scope && queue == own,
        }
    }
}

/// An event that its relay has signed.
#[derive(Debug, Clone)]
pub(crate) struct Believed {
    pub(crate) scope: TenantScope,
    pub(crate) relay: Arc<Relay>,
    pub(crate) key_id: KeyName,
    pub(crate) signed: RelayEvent,
}

/// Why a message is not acted on yet.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is not believed.
    Disbelieved(Disbelief),
    /// That could not be found out.
    Unknown(StoreError),
}

impl From<Disbelief> for Unread {
    fn from(why: Disbelief) -> Self {
        Self::Disbelieved(why)
    }
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

/// Keys and relays as they were read for one batch of messages. Nothing is remembered longer: a key that is taken away
/// opens nothing from the next batch on.
#[derive(Debug, Default)]
pub(crate) struct Known {
    keys: HashMap<KeyName, Option<RelayKey>>,
    relays: HashMap<RelayId, Option<Arc<Relay>>>,
}

impl Orchestrator {
    /// The event of a message, if it is to be believed. What costs nothing is looked at first.
    pub(crate) async fn believe(
        &self,
        delivery: &Delivery,
        known: &mut Known,
    ) -> Result<Believed, Unread> {
        if delivery.body.len() > MAX_MESSAGE_BYTES {
            return Err(Disbelief::TooLarge.into());
        }
        let envelope = serde_json::from_str::<Envelope>(&delivery.body)
            .ok()
            .filter(|envelope| envelope.version == VERSION)
            .ok_or(Disbelief::NotAnEnvelope)?;
        let decoded = |text: &str| BASE64.decode(text.as_bytes()).ok();
        let payload = decoded(&envelope.payload).ok_or(Disbelief::NotAnEnvelope)?;
        let signature = decoded(&envelope.signature).ok_or(Disbelief::NotAnEnvelope)?;
        let Envelope {
            relay_id, key_id, ..
        } = envelope;
        let key = self.key(&key_id, known).await?;
        let key = key.ok_or(Disbelief::UnknownKey)?;
        if key.relay_id != relay_id {
            return Err(Disbelief::AnotherRelaysKey.into());
        }
        let bytes = signed_bytes(&relay_id, &key_id, &payload);
        if !is_signed(&key.public_key, &bytes, &signature) {
            return Err(Disbelief::BadSignature.into());
        }
        let signed = read_contract(&payload).ok_or(Disbelief::NotTheContract)?;
        if signed.relay_id != relay_id {
            return Err(Disbelief::NotTheContract.into());
        }
        let relay = self.relay(&key.scope, &relay_id, known).await?;
        let relay = relay.ok_or(Disbelief::UnknownRelay)?;
        if !relay.signs_with(&key_id, self.now()) {
            return Err(Disbelief::ReplacedKey.into());
        }
        if !delivery.source.is_of(&key.scope, &relay) {
            return Err(Disbelief::WrongQueue.into());
        }
        if !self.numbers.take(&signed) {
            return Err(Disbelief::NumberTaken.into());
        }
        Ok(Believed {
            scope: key.scope,
            relay,
            key_id,
            signed,
        })
    }

    async fn key(
        &self,
        key_id: &KeyName,
        known: &mut Known,
    ) -> Result<Option<RelayKey>, StoreError> {
        if let Some(key) = known.keys.get(key_id) {
            return Ok(key.clone());
        }
        let key = match KeyId::parse(key_id.as_str()) {
            Ok(id) => self.store.relay_key(&id, self.now()).await?,
            Err(_) => None,
        };
        known.keys.insert(key_id.clone(), key.clone());
        Ok(key)
    }

    async fn relay(
        &self,
        scope: &TenantScope,
        relay_id: &RelayId,
        known: &mut Known,
    ) -> Result<Option<Arc<Relay>>, StoreError> {
        if let Some(relay) = known.relays.get(relay_id) {
            return Ok(relay.clone());
        }
        let relay = self.store.tenant(scope).relay(relay_id).await?;
        let relay = relay.map(Arc::new);
        known.relays.insert(relay_id.clone(), relay.clone());
        Ok(relay)
    }
}

fn is_signed(public_key: &[u8; 32], bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public_key) else {
        return false;
    };
    Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(bytes, &signature).is_ok())
}

/// The event, if it is within the contract: known fields only, each within its length and its characters, and nothing that
/// looks like a credential.
fn read_contract(payload: &[u8]) -> Option<RelayEvent> {
    let signed: RelayEvent = serde_json::from_slice(payload).ok()?;
    let mut faults = Vec::new();
    signed.check(&mut faults);
    faults.is_empty().then_some(signed)
}
