//! Secrets, as the vault has them: kept for minutes, read anew when a signature does not fit, and never made up.

use crate::vault::{Vault, VaultError};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;
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

/// The secrets that the configuration refers to. Nothing else is ever read.
#[derive(Debug)]
pub(crate) struct Secrets {
    vault: Vault,
    kept: BTreeMap<VaultReference, Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    value: Option<(Arc<SecretString>, Timestamp)>,
    failed: Option<(SecretFault, Timestamp)>,
}

impl Secrets {
    pub(crate) fn new(vault: Vault, references: impl IntoIterator<Item = VaultReference>) -> Self {
        let kept = references
            .into_iter()
            .map(|reference| (reference, Mutex::default()));
        Self {
            vault,
            kept: kept.collect(),
        }
    }

    /// The secret, not older than five minutes.
    pub(crate) async fn get(
        &self,
        reference: &VaultReference,
        now: Timestamp,
    ) -> Result<Arc<SecretString>, SecretFault> {
        self.younger_than(reference, KEPT_MS, now).await
    }

    /// The secret, not older than ten seconds.
    pub(crate) async fn get_fresh(
        &self,
        reference: &VaultReference,
        now: Timestamp,
    ) -> Result<Arc<SecretString>, SecretFault> {
        self.younger_than(reference, FRESH_MS, now).await
    }

    /// Whether every secret could be read: those that are too old are read for it.
    pub(crate) async fn are_readable(&self, now: Timestamp) -> bool {
        for reference in self.kept.keys() {
            if self.get(reference, now).await.is_err() {
                return false;
            }
        }
        true
    }

    /// One of those who need a secret reads it, the others wait.
    async fn younger_than(
        &self,
        reference: &VaultReference,
        most_ms: i64,
        now: Timestamp,
    ) -> Result<Arc<SecretString>, SecretFault> {
        let kept = self.kept.get(reference).ok_or(SecretFault::None)?;
        let mut kept = kept.lock().await;
        let is_younger = |at: Timestamp, most_ms| {
            let age = now.as_millis().saturating_sub(at.as_millis());
            age.saturating_abs() < most_ms
        };
        if let Some((value, at)) = &kept.value
            && is_younger(*at, most_ms)
        {
            return Ok(value.clone());
        }
        if let Some((fault, at)) = kept.failed
            && is_younger(at, FAILED_MS)
        {
            return Err(fault);
        }
        match self.vault.read(reference).await {
            Ok(value) if !value.expose_secret().trim().is_empty() => {
                let value = Arc::new(value);
                kept.value = Some((value.clone(), now));
                kept.failed = None;
                Ok(value)
            }
            outcome => {
                let fault = match outcome {
                    Ok(_) | Err(VaultError::Missing(_)) => SecretFault::None,
                    Err(error) => SecretFault::Unavailable(error.code()),
                };
                kept.failed = Some((fault, now));
                Err(fault)
            }
        }
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
