//! Secrets, as the vault has them: kept for minutes, read anew when a signature does not fit, and never made up.

#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::vault::{Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;
use wire::Timestamp;
use wire::relay::VaultReference;

/// For how long what was read is good, in milliseconds.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// What was read less than this long ago is not read anew because a signature does not fit, in milliseconds: whoever sends
/// wrong signatures cannot make the relay ask the vault more often.
const FRESH_MS: i64 = 10 * 1000;

/// For how long a vault that failed is not asked again, in milliseconds.
const FAILED_MS: i64 = 5 * 1000;

/// Why there is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretFault {
    /// The vault has none of that name, or an empty one.
    None,
    /// The vault does not answer, or does not let the relay in.
    Unavailable(&'static str),
}

/// For how long a webhook waits for somebody else who reads its secret anew.
const WAIT_FOR_FRESH: Duration = Duration::from_secs(1);

/// Somebody else reads the secret, and has not finished.
pub(crate) const BUSY: &str = "busy";

/// A secret, or why there is none.
type Outcome = Result<Arc<SecretString>, SecretFault>;

/// The secrets that the configuration refers to. Nothing else is ever read.
#[derive(Debug)]
pub(crate) struct Secrets {
    vault: Vault,
    clock: Clock,
    slots: BTreeMap<VaultReference, Slot>,
}

/// A place for one secret.
#[derive(Debug, Default)]
struct Slot {
    /// Held for no longer than it takes to look: what is known here waits for no vault.
    kept: Mutex<Kept>,
    /// Held by whoever reads the vault, which can take seconds.
    reading: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    value: Option<(Arc<SecretString>, Timestamp)>,
    failed: Option<(SecretFault, Timestamp)>,
}

impl Slot {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known without the vault: a value that is young enough, or that the vault failed just now.
    fn known(&self, most_ms: i64, now: Timestamp) -> Option<Outcome> {
        let is_younger = |at: Timestamp, most_ms| {
            let age = now.as_millis().saturating_sub(at.as_millis());
            age.saturating_abs() < most_ms
        };
        let kept = self.kept();
        if let Some((value, at)) = &kept.value
            && is_younger(*at, most_ms)
        {
            return Some(Ok(value.clone()));
        }
        match kept.failed {
            Some((fault, at)) if is_younger(at, FAILED_MS) => Some(Err(fault)),
            Some(_) | None => None,
        }
    }
}

impl Secrets {
    pub(crate) fn new(
        vault: Vault,
        references: impl IntoIterator<Item = VaultReference>,
        clock: Clock,
    ) -> Self {
        let slots = references
            .into_iter()
            .map(|reference| (reference, Slot::default()));
        Self {
            vault,
            clock,
            slots: slots.collect(),
        }
    }

    /// The secret, not older than five minutes. One of those who need one that is older reads it, the others wait.
    pub(crate) async fn get(&self, reference: &VaultReference) -> Outcome {
        let slot = self.slot(reference)?;
        if let Some(known) = slot.known(KEPT_MS, self.clock.now()) {
            return known;
        }
        let _reading = slot.reading.lock().await;
        self.read(reference, slot, KEPT_MS).await
    }

    /// The secret, not older than ten seconds. Who needs it while somebody else reads it waits for a second and no longer: who
    /// has no good signature would take the places of those who have.
    pub(crate) async fn get_fresh(&self, reference: &VaultReference) -> Outcome {
        let slot = self.slot(reference)?;
        if let Some(known) = slot.known(FRESH_MS, self.clock.now()) {
            return known;
        }
        let Ok(_reading) = timeout(WAIT_FOR_FRESH, slot.reading.lock()).await else {
            return Err(SecretFault::Unavailable(BUSY));
        };
        self.read(reference, slot, FRESH_MS).await
    }

    /// Whether every secret could be read: those that are too old are read for it.
    pub(crate) async fn are_readable(&self) -> bool {
        for reference in self.slots.keys() {
            if self.get(reference).await.is_err() {
                return false;
            }
        }
        true
    }

    fn slot(&self, reference: &VaultReference) -> Result<&Slot, SecretFault> {
        self.slots.get(reference).ok_or(SecretFault::None)
    }

    /// Reads the vault, unless somebody has while the lock was waited for.
    async fn read(&self, reference: &VaultReference, slot: &Slot, most_ms: i64) -> Outcome {
        let asked = self.clock.now();
        if let Some(known) = slot.known(most_ms, asked) {
            return known;
        }
        let outcome = match self.vault.read(reference).await {
            Ok(value) if !value.expose_secret().trim().is_empty() => Ok(Arc::new(value)),
            Ok(_) | Err(VaultError::Missing(_)) => Err(SecretFault::None),
            Err(error) => Err(SecretFault::Unavailable(error.code())),
        };
        let mut kept = slot.kept();
        match &outcome {
            Ok(value) => {
                kept.value = Some((value.clone(), asked));
                kept.failed = None;
            }
            // From its end on: the call may have taken longer than a failure is remembered.
            Err(fault) => kept.failed = Some((*fault, self.clock.now())),
        }
        drop(kept);
        outcome
    }
}

/// The values of a secret, one a line: while one is rotated, the old and the new.
pub(crate) fn values_of(secret: &SecretString) -> Vec<SecretString> {
    secret
        .expose_secret()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(SecretString::from)
        .collect()
}
