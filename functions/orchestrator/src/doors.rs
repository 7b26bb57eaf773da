//! The customers' queues, opened as their relays say.

use crate::reason::Closed;
use domain::relay::Relay;
use queues::{Access, ExternalId, Message, Opener, Outgoing, Queue, QueueError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use wire::Timestamp;
use wire::relay::{QueueReference, RoleArn};

/// How many roles are remembered to have been tried. When there are more, all are forgotten, which costs calls.
const MAX_TRIED: usize = 2_000;

/// What opens queues. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    opener: Opener,
    /// Roles that let nobody in who does not know the ExternalId.
    tried: Arc<Mutex<HashSet<RoleArn>>>,
    /// How many requests were made of queues.
    requests: Arc<AtomicU64>,
    #[cfg(test)]
    pub(crate) faults: crate::tests::faults::QueueFaults,
}

impl Doors {
    pub(crate) fn new(opener: Opener) -> Self {
        Self {
            opener,
            tried: Arc::default(),
            requests: Arc::default(),
            #[cfg(test)]
            faults: crate::tests::faults::QueueFaults::default(),
        }
    }

    /// How many requests were made of queues: what customers pay for.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Opens a queue of that relay. `random` is for an ExternalId that nobody was given.
    pub(crate) async fn open(
        &self,
        relay: &Relay,
        reference: &QueueReference,
        (now, random): (Timestamp, [u8; 16]),
    ) -> Result<Door, Closed> {
        let external_id = ExternalId::parse(&relay.external_id).ok_or(Closed("external_id"))?;
        let (role, federation) = (relay.role_arn.as_ref(), relay.federation.as_ref());
        let access = Access::of(reference, role, federation, &external_id)
            .map_err(|_| Closed("queue_access"))?;
        if let Access::Role { role, .. } = &access {
            self.refuse_open(role, &ExternalId::new(random)).await?;
        }
        let queue = self
            .opener
            .open(reference, &access, system_time(now))
            .await?;
        if let Access::Role { role, .. } = access {
            self.remember(role);
        }
        Ok(Door {
            queue,
            requests: Arc::clone(&self.requests),
            #[cfg(test)]
            faults: self.faults.clone(),
            #[cfg(test)]
            name: reference.address.clone(),
        })
    }

    /// A role that lets somebody in who does not know the ExternalId is not used: anybody could have us use it. The role need
    /// not have been there when the relay was set up, so it is tried here as well, before a process assumes it first.
    async fn refuse_open(&self, role: &RoleArn, wrong: &ExternalId) -> Result<(), Closed> {
        if self.tried().contains(role) {
            return Ok(());
        }
        match self.opener.roles().opening(role, wrong).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Closed("role_open")),
            Err(_) => Err(Closed("sts_unreachable")),
        }
    }

    fn tried(&self) -> MutexGuard<'_, HashSet<RoleArn>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, role: RoleArn) {
        let mut tried = self.tried();
        if tried.len() >= MAX_TRIED {
            tried.clear();
        }
        tried.insert(role);
    }
}

fn system_time(now: Timestamp) -> SystemTime {
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// A queue that is open.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    queue: Queue,
    requests: Arc<AtomicU64>,
    #[cfg(test)]
    faults: crate::tests::faults::QueueFaults,
    #[cfg(test)]
    name: String,
}

impl Door {
    /// The messages that are there now, up to `max`.
    pub(crate) async fn receive(&self, max: usize) -> Result<Vec<Message>, QueueError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        let after = self.faults.meet(&self.name, "receive").await?;
        let received = self.queue.receive(max, Duration::ZERO).await?;
        #[cfg(test)]
        after?;
        Ok(received)
    }

    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), QueueError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        let after = self.faults.meet(&self.name, "delete").await?;
        self.queue.delete(receipt).await?;
        #[cfg(test)]
        after?;
        Ok(())
    }

    pub(crate) async fn send(&self, message: Outgoing<'_>) -> Result<(), QueueError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        #[cfg(test)]
        let after = self.faults.meet(&self.name, "send").await?;
        self.queue.send(message).await?;
        #[cfg(test)]
        after?;
        Ok(())
    }
}
