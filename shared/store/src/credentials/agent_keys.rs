//! An agent key's secret is replaced, and the old one stays good for a while.

use super::KeyId;
use super::agent_credentials::{AgentCredential, AgentCredentialEntry, read_entry};
use super::authenticate::REMEMBERED_MILLIS;
use super::item::KeyItem;
use super::rotate::{MAX_OVERLAP_SECONDS, NewSecret};
use crate::call::{from_item, string};
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};
use wire::Timestamp;

const OPERATION: &str = "rotate_agent_key";

/// How often it is tried when others get in the way.
const MAX_TRIES: usize = 8;

/// For how many seconds an agent key that is replaced stays good at least, if it does not end at once: a process that
/// remembers it remembers its former end as well, and would take it for longer than was asked for.
pub const LEAST_OVERLAP_SECONDS: u32 = 300;
const _: () = assert!(LEAST_OVERLAP_SECONDS as i64 * 1000 >= REMEMBERED_MILLIS);

/// What became of the rotation of an agent key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentKeyRotation {
    /// The new key, of the same name and pool. Asking for the same once more gives the same answer.
    Rotated(AgentCredentialEntry),
    /// It was replaced before, by this one: that is the one to replace now.
    RotatedBefore(KeyId),
    /// It is revoked or has ended.
    NotGood,
    /// The tenant has no such agent key.
    Unknown,
    /// Another credential has that key id: take another.
    KeyIdTaken,
}

impl TenantStore<'_> {
    /// Replaces an agent key by a new one with the same name and pool. The old one, and with it the agents that registered
    /// with it, ends after `overlap_seconds`, [`LEAST_OVERLAP_SECONDS`] to 24 h, or when it would have ended anyway. For an end
    /// at once, 0, revoke the old one afterwards: that also gives its agents' jobs back.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn rotate_agent_key(
        &self,
        key_id: &KeyId,
        new: &NewSecret,
        overlap_seconds: i64,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<AgentKeyRotation, StoreError> {
        let end = now.plus_seconds(overlap_seconds.clamp(0, MAX_OVERLAP_SECONDS));
        let mut refused = false;
        for _ in 0..MAX_TRIES {
            let Some(old) = self.agent_key_item(key_id).await? else {
                return Ok(AgentKeyRotation::Unknown);
            };
            if let Some(successor) = &old.rotated_to {
                return self.key_rotated_before(successor, new).await;
            }
            if !old.is_good(now) {
                return Ok(AgentKeyRotation::NotGood);
            }
            // The old key is as it should be, so what did not hold was the condition on the new one.
            if refused {
                return Ok(AgentKeyRotation::KeyIdTaken);
            }
            let writes = self.replacing(&old, key_id, new, (now, end))?;
            // Whatever became of it, the next turn finds it.
            let became = self.store.transact(OPERATION, writes, write_id).await?;
            refused = matches!(became, Transacted::Stale);
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others kept changing the key".to_owned(),
        })
    }

    async fn agent_key_item(&self, key_id: &KeyId) -> Result<Option<KeyItem>, StoreError> {
        let Some(item) = self.key_item(OPERATION, key_id).await? else {
            return Ok(None);
        };
        // Other kinds have other attributes.
        if item.get("kind") != Some(&string(AgentCredential::Key.word())) {
            return Ok(None);
        }
        from_item(OPERATION, item).map(Some)
    }

    /// What a rotation that was there before has made: this very one, if it bears the same secret.
    async fn key_rotated_before(
        &self,
        successor: &KeyId,
        new: &NewSecret,
    ) -> Result<AgentKeyRotation, StoreError> {
        let before = AgentKeyRotation::RotatedBefore(successor.clone());
        if *successor != new.key_id {
            return Ok(before);
        }
        let Some(item) = self.key_item(OPERATION, successor).await? else {
            return Ok(before);
        };
        let made: KeyItem = from_item(OPERATION, item.clone())?;
        if made.secret_sha256 == new.secret_sha256 {
            read_entry(item).map(AgentKeyRotation::Rotated)
        } else {
            Ok(before)
        }
    }
}
