//! What a warm process remembers: rules for half a minute, how many jobs an organisation has in line for some seconds, and the
//! latest numbers of relays.

use crate::reason::Postponement;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Routing, StoreError, TenantScope, TenantStore};
use wire::relay::{RelayEvent, RelayInstance};
use wire::{EventId, RelayId, TenantId, Timestamp};

/// For how long rules are remembered, in seconds: new ones are applied that much later at most.
const RULES_SECONDS: i64 = 30;

/// For how long the length of a line is remembered, in seconds. It comes from the last roll-up, which is up to a minute old.
const LINES_SECONDS: i64 = 10;

/// How many of each are remembered. When there are more, all are forgotten, which costs reads.
const MAX_REMEMBERED: usize = 2_000;

/// Things by key, and when they were read. Clones share them.
#[derive(Debug)]
struct Remembered<K, V>(Arc<Mutex<HashMap<K, (Timestamp, V)>>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Clone for Remembered<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: std::hash::Hash + Eq, V> Remembered<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, (Timestamp, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: K, now: Timestamp, value: V) {
        let mut all = self.lock();
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(key, (now, value));
    }
}

fn is_fresh(read_at: Timestamp, now: Timestamp, seconds: i64) -> bool {
    let age = now.millis_since(read_at);
    (0..seconds * 1000).contains(&age)
}

/// The rules of relays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules(Remembered<RelayId, Arc<Routing>>);

impl Rules {
    /// The rules of a relay.
    pub(crate) async fn of(
        &self,
        tenant: &TenantStore<'_>,
        relay: &RelayId,
        now: Timestamp,
    ) -> Result<Arc<Routing>, StoreError> {
        let known = self.0.lock().get(relay).cloned();
        if let Some((read_at, rules)) = known
            && is_fresh(read_at, now, RULES_SECONDS)
        {
            return Ok(rules);
        }
        let rules = Arc::new(tenant.routing(relay).await?);
        self.0.put(relay.clone(), now, Arc::clone(&rules));
        Ok(rules)
    }
}

/// How many jobs organisations have in line.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    limit: u64,
    queued: Remembered<TenantId, u64>,
}

impl Rooms {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            queued: Remembered::default(),
        }
    }

    /// Counts one job more, if there may be one.
    pub(crate) async fn take(
        &self,
        tenant: &TenantStore<'_>,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<(), Postponement> {
        if self.limit == u64::MAX {
            return Ok(());
        }
        if !self.knows(scope.tenant(), now) {
            let queued = tenant.statistics(None, now).await?.queued;
            // Of two that read it at the same moment the first may have counted a job already.
            if !self.knows(scope.tenant(), now) {
                self.queued.put(scope.tenant().clone(), now, queued);
            }
        }
        let mut all = self.queued.lock();
        let Some((_, queued)) = all.get_mut(scope.tenant()) else {
            return Ok(());
        };
        if *queued >= self.limit {
            return Err(Postponement::TooManyJobs);
        }
        *queued += 1;
        Ok(())
    }

    fn knows(&self, tenant: &TenantId, now: Timestamp) -> bool {
        let all = self.queued.lock();
        all.get(tenant)
            .is_some_and(|(read_at, _)| is_fresh(*read_at, now, LINES_SECONDS))
    }
}

/// How many processes of relays the numbers are remembered of. When there are more, all are forgotten.
const MAX_INSTANCES: usize = 500;

/// How many numbers of a process are remembered: the highest.
const MAX_NUMBERS: usize = 256;

/// The events of a process, by the number that it gave them.
type Numbered = BTreeMap<u64, EventId>;

/// Which event has which number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<Mutex<HashMap<(RelayId, RelayInstance), Numbered>>>);

impl Numbers {
    /// Takes the number of an event for it. `false` if another event of the same process of the same relay is known to have it.
    /// Messages come in any order and again, so a number that is missing says nothing.
    pub(crate) fn take(&self, signed: &RelayEvent) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = (signed.relay_id.clone(), signed.instance.clone());
        if all.len() >= MAX_INSTANCES && !all.contains_key(&whose) {
            all.clear();
        }
        let numbered = all.entry(whose).or_default();
        let event_id = &signed.event.event_id;
        let known = numbered
            .entry(signed.sequence)
            .or_insert_with(|| event_id.clone());
        let is_its_own = known == event_id;
        if numbered.len() > MAX_NUMBERS {
            numbered.pop_first();
        }
        is_its_own
    }
}
