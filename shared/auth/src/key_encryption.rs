//! How the keys of HMAC signatures are kept. Verifying such a signature needs the key itself, so the key is stored, encrypted.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::BASE64;
use secrecy::zeroize::Zeroizing;
use secrets::{Lookup, Secret};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use store::KeyId;
use web::Entropy;
use wire::TenantId;

/// The form of what is stored: version, id of the data key, nonce, and the encrypted key with its tag.
const VERSION: u8 = 1;
const ID_LENGTH: usize = 4;
const HEADER_LENGTH: usize = 1 + ID_LENGTH + NONCE_LEN;

/// How many data keys there may be: the one to encrypt with, and one that was before it.
const MAX_KEYS: usize = 2;

/// Encrypts the keys of HMAC signatures.
#[derive(Clone, Default)]
pub enum KeyEncryption {
    /// Nothing is configured to encrypt with: there can be no HMAC keys.
    #[default]
    Off,
    /// With AES-256-GCM, bound to the tenant and the key id. The first data key encrypts, all decrypt.
    DataKeys(Arc<[DataKey]>),
}

/// A data key, as the function is given it.
pub struct DataKey {
    id: [u8; ID_LENGTH],
    key: LessSafeKey,
}

impl fmt::Debug for KeyEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::DataKeys(_) => "DataKeys",
        })
    }
}

impl KeyEncryption {
    /// Reads the environment: `HMAC_KEY_ENCRYPTION_KEY`, or `HMAC_KEY_ENCRYPTION_KEY_ARN`, which names the secret that holds it.
    /// Both may be missing.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn from_env() -> Result<Secret<Self>, Vec<String>> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// The same, from elsewhere than the environment.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(lookup: Lookup<'_>) -> Result<Secret<Self>, Vec<String>> {
        let secret = secrets::read("HMAC_KEY_ENCRYPTION_KEY", Self::parse, lookup)?;
        Ok(secret.unwrap_or_else(|| Secret::from(Self::Off)))
    }

    /// Reads one data key, or two separated by a comma, each 32 bytes in Base64.
    ///
    /// # Errors
    /// What it should have been.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be 32 bytes in Base64, or two such keys separated by a comma";
        let mut keys = Vec::new();
        for part in text.split(',') {
            let bytes = BASE64.decode(part.trim().as_bytes());
            let bytes = Zeroizing::new(bytes.map_err(|_| RULE)?);
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| RULE)?;
            let digest = Sha256::new()
                .chain_update("hcp data key\n")
                .chain_update(&*bytes)
                .finalize();
            let mut id = [0; ID_LENGTH];
            id.copy_from_slice(&digest[..ID_LENGTH]);
            keys.push(DataKey {
                id,
                key: LessSafeKey::new(key),
            });
        }
        if keys.len() > MAX_KEYS {
            return Err(RULE);
        }
        Ok(Self::DataKeys(keys.into()))
    }

    /// The key, encrypted; `None` if there is nothing to encrypt with.
    pub fn seal(
        &self,
        (tenant, key_id): (&TenantId, &KeyId),
        secret: &[u8; 32],
        entropy: &Entropy,
    ) -> Option<Vec<u8>> {
        let Self::DataKeys(keys) = self else {
            return None;
        };
        let first = keys.first()?;
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let mut sealed = Zeroizing::new(secret.to_vec());
        let aad = Aad::from(bound_to(tenant, key_id));
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        first
            .key
            .seal_in_place_append_tag(nonce_used, aad, &mut *sealed)
            .ok()?;
        let mut stored = Vec::with_capacity(HEADER_LENGTH + sealed.len());
        stored.push(VERSION);
        stored.extend(first.id);
        stored.extend(nonce);
        stored.extend(&*sealed);
        Some(stored)
    }

    /// Whether it has the data key that what is stored was encrypted with.
    pub(crate) fn knows(&self, stored: &[u8]) -> bool {
        let id = stored.get(1..=ID_LENGTH);
        match self {
            Self::Off => false,
            Self::DataKeys(keys) => keys.iter().any(|key| id == Some(&key.id[..])),
        }
    }

    /// The key again; `None` if none of the data keys opens it, or it was stored for another tenant or key id.
    pub fn open(
        &self,
        (tenant, key_id): (&TenantId, &KeyId),
        stored: &[u8],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let Self::DataKeys(keys) = self else {
            return None;
        };
        let (header, sealed) = stored.split_at_checked(HEADER_LENGTH)?;
        let (id, nonce) = header.strip_prefix(&[VERSION])?.split_at(ID_LENGTH);
        let key = keys.iter().find(|key| key.id == *id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let aad = Aad::from(bound_to(tenant, key_id));
        let opened = key.key.open_in_place(nonce, aad, &mut sealed).ok()?;
        let mut secret = Zeroizing::new([0; 32]);
        if opened.len() != secret.len() {
            return None;
        }
        secret.copy_from_slice(opened);
        Some(secret)
    }
}

/// What a stored key belongs to: at another's place it does not open.
fn bound_to(tenant: &TenantId, key_id: &KeyId) -> String {
    format!("hcp signing key\n{tenant}\n{key_id}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn id(text: &str) -> KeyId {
        KeyId::parse(text).unwrap()
    }

    fn data_key(byte: u8) -> String {
        BASE64.encode(&[byte; 32])
    }

    #[test]
    fn a_stored_key_opens_for_its_tenant_and_key_id_alone() {
        let encryption = KeyEncryption::parse(&data_key(1)).unwrap();
        let (acme, key) = (tenant("acme"), id("signsignsign"));
        let entropy = Entropy::seeded(1);
        let stored = encryption.seal((&acme, &key), &[7; 32], &entropy).unwrap();
        let opened = encryption.open((&acme, &key), &stored).unwrap();
        assert_eq!(*opened, [7; 32]);
        assert!(!stored.windows(8).any(|part| part == [7; 8]));
        for (tenant, key) in [(tenant("globex"), key.clone()), (acme, id("othersignkey"))] {
            assert!(encryption.open((&tenant, &key), &stored).is_none());
        }
    }

    #[test]
    fn a_stored_key_with_any_one_byte_changed_does_not_open() {
        let encryption = KeyEncryption::parse(&data_key(1)).unwrap();
        let of = (&tenant("acme"), &id("signsignsign"));
        let stored = encryption.seal(of, &[7; 32], &Entropy::seeded(1)).unwrap();
        for place in 0..stored.len() {
            let mut changed = stored.clone();
            changed[place] ^= 1;
            assert!(encryption.open(of, &changed).is_none(), "{place}");
            assert!(encryption.open(of, &stored[..place]).is_none(), "{place}");
        }
    }

    #[test]
    fn the_data_key_before_still_opens_what_it_closed() {
        let before = KeyEncryption::parse(&data_key(1)).unwrap();
        let of = (&tenant("acme"), &id("signsignsign"));
        let stored = before.seal(of, &[7; 32], &Entropy::seeded(1)).unwrap();
        let both = format!("{}, {}", data_key(2), data_key(1));
        let both = KeyEncryption::parse(&both).unwrap();
        assert!(both.open(of, &stored).is_some());
        assert!(both.knows(&stored) && before.knows(&stored));
        let newer = both.seal(of, &[7; 32], &Entropy::seeded(2)).unwrap();
        assert!(before.open(of, &newer).is_none());
        assert!(both.knows(&newer) && !before.knows(&newer) && !before.knows(&[]));
        let after = KeyEncryption::parse(&data_key(2)).unwrap();
        assert!(after.open(of, &newer).is_some());
        assert!(after.open(of, &stored).is_none());
        let off = KeyEncryption::Off;
        assert!(off.seal(of, &[7; 32], &Entropy::seeded(1)).is_none());
        assert!(off.open(of, &stored).is_none());
    }

    #[test]
    fn what_is_no_data_key_is_refused() {
        let three = [data_key(1), data_key(2), data_key(3)].join(",");
        for bad in ["", "x", "AAAA", &BASE64.encode(&[1; 31]), &three] {
            assert!(KeyEncryption::parse(bad).is_err(), "{bad}");
        }
        let encryption = KeyEncryption::parse(&data_key(1)).unwrap();
        assert_eq!(format!("{encryption:?}"), "DataKeys");
    }
}
