//! What a warm process remembers of what it has read and written.
//!
//! Whatever is decided on something remembered is written on the condition that it is still so, so that forgetting costs a
//! read, and remembering too long costs a write that does not happen.

use crate::audit::Tail;
use crate::jobs::Stored;
use crate::{CredentialKind, Verified};
use domain::Timestamp;
use domain::agent::Agent;
use domain::pool::Pool;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many things of a kind are remembered. A process serves any number of tenants; what it remembers stays small.
const MAX_REMEMBERED: usize = 2_000;

/// Everything that is remembered. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// Jobs that agents claimed or started here, by partition key.
    pub(crate) jobs: Recent<String, Stored>,
    /// Agents that were heard of here, by partition key.
    pub(crate) agents: Recent<String, Agent>,
    /// Pools, and when they were read, by partition key.
    pub(crate) pools: Recent<String, (Timestamp, Pool)>,
    /// Credentials of agents that were verified here, by the hash of their secret.
    pub(crate) credentials: Recent<[u8; 32], KnownCredential>,
    /// Where the records of tenants end, by partition key.
    pub(crate) audit_tails: Recent<String, Tail>,
}

/// A credential that was verified.
#[derive(Debug, Clone)]
pub(crate) struct KnownCredential {
    pub(crate) kind: CredentialKind,
    pub(crate) verified: Verified,
    pub(crate) verified_at: Timestamp,
}

/// Things by key, the most recent ones at least.
#[derive(Debug)]
pub(crate) struct Recent<K, V>(Arc<Mutex<HashMap<K, V>>>);

impl<K, V> Clone for Recent<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().get(key).cloned()
    }

    /// What is remembered, which then is not any more.
    pub(crate) fn take<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().remove(key)
    }

    /// Remembers. When there is no more room everything else is forgotten: that is rare, cheap, and costs reads alone.
    pub(crate) fn put(&self, key: K, value: V) {
        let mut things = self.lock();
        if things.len() >= MAX_REMEMBERED && !things.contains_key(&key) {
            things.clear();
        }
        things.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_stays_small() {
        let recent = Recent::default();
        for key in 0..MAX_REMEMBERED {
            recent.put(key, key);
        }
        recent.put(0, 7);
        assert_eq!((recent.get(&0), recent.get(&1)), (Some(7), Some(1)));
        recent.put(MAX_REMEMBERED, 8);
        assert_eq!(
            (recent.get(&0), recent.take(&MAX_REMEMBERED)),
            (None, Some(8))
        );
        assert_eq!(recent.get(&MAX_REMEMBERED), None);
    }
}
