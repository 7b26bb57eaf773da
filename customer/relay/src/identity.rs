//! Who the relay is: its id and the key that it signs with, as enrolling made them.

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use wire::{KeyName, RelayId};

/// A relay's id and key. Shown without the key.
#[derive(Clone)]
pub struct Identity {
    relay_id: RelayId,
    key_id: KeyName,
    key: SigningKey,
}

/// As it is kept: in a file, or in a vault.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    relay_id: RelayId,
    key_id: KeyName,
    /// 32 bytes in Base64.
    private_key: String,
}

impl Identity {
    /// From its parts.
    pub fn new(relay_id: RelayId, key_id: KeyName, private_key: [u8; 32]) -> Self {
        Self {
            relay_id,
            key_id,
            key: SigningKey::from_bytes(&private_key),
        }
    }

    /// Reads the JSON of an identity. What is wrong with it is not said: the text is secret.
    pub fn parse(text: &SecretString) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text.expose_secret()).ok()?;
        let key = BASE64.decode(kept.private_key.as_bytes()).ok()?;
        Some(Self::new(kept.relay_id, kept.key_id, key.try_into().ok()?))
    }

    /// The JSON, to keep in a file or a vault.
    pub fn to_json(&self) -> SecretString {
        let kept = Kept {
            relay_id: self.relay_id.clone(),
            key_id: self.key_id.clone(),
            private_key: BASE64.encode(self.key.as_bytes()),
        };
        serde_json::to_string(&kept).unwrap_or_default().into()
    }

    /// The relay.
    pub fn relay_id(&self) -> &RelayId {
        &self.relay_id
    }

    /// The id of the key.
    pub fn key_id(&self) -> &KeyName {
        &self.key_id
    }

    /// The public key in Base64.
    pub fn public_key(&self) -> String {
        BASE64.encode(self.key.verifying_key().as_bytes())
    }

    /// The signature of a message in Base64.
    pub fn sign(&self, message: &[u8]) -> String {
        BASE64.encode(&self.key.sign(message).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("relay_id", &self.relay_id)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
