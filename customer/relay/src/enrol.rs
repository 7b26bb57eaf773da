//! A relay is given its identity: a key pair is made here, and only the public key leaves this machine.

#[cfg(test)]
mod tests;

use crate::identity::Identity;
use crate::plane::{CallError, Plane, Stamp};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use wire::relay::EnrolRelayResponse;

/// Why a relay has no new identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The control plane does not answer, or refuses it.
    #[error("{0}")]
    Call(#[from] CallError),
    /// A file cannot be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// There is an identity already.
    #[error("{}: there is an identity already; take it away first, or change its key with `rotate-key`", .0.display())]
    Exists(PathBuf),
    /// There is a file, and it is no identity.
    #[error("{}: is no identity", .0.display())]
    Malformed(PathBuf),
}

/// Enrols a relay and writes its identity to a file that only its owner can read.
///
/// The private key is written beside it before the control plane is called, and taken away afterwards: if the answer is lost
/// or the process ends, the same call with the same token brings the same key again.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(
    plane: &Plane,
    token: &SecretString,
    file: &Path,
) -> Result<EnrolRelayResponse, EnrolError> {
    if file.exists() {
        return Err(EnrolError::Exists(file.to_owned()));
    }
    let pending = Pending::open(file)?;
    let answer = plane.enrol(token, pending.public_key()).await?;
    pending.finish(file, &answer)?;
    Ok(answer)
}

/// Changes the key of a relay. The old one stays good for a day, so that running processes have time to read the new one.
///
/// If the answer is lost or the process ends before the identity is written, the same call brings the same key again. If it ends
/// between that and taking the key beside it away, the next call takes it away and brings another.
///
/// # Errors
/// [`EnrolError`].
pub async fn rotate_key(
    plane: &Plane,
    file: &Path,
    stamp: &Stamp,
) -> Result<EnrolRelayResponse, EnrolError> {
    let text = read(file)?;
    let old = Identity::parse(&text).ok_or_else(|| EnrolError::Malformed(file.to_owned()))?;
    let mut pending = Pending::open(file)?;
    if pending.public_key() == old.public_key() {
        pending.remove()?;
        pending = Pending::open(file)?;
    }
    let answer = plane.rotate_key(&old, pending.public_key(), stamp).await?;
    pending.finish(file, &answer)?;
    Ok(answer)
}

/// A private key that the control plane may know the public key of, or not.
struct Pending {
    at: PathBuf,
    key: SigningKey,
}

impl Pending {
    /// The key that an earlier try left beside the file, or a new one.
    fn open(file: &Path) -> Result<Self, EnrolError> {
        let mut name = file.as_os_str().to_owned();
        name.push(".key");
        let at = PathBuf::from(name);
        if at.exists() {
            let text = read(&at)?;
            let key = BASE64.decode(text.expose_secret().trim().as_bytes()).ok();
            let key: Option<[u8; 32]> = key.and_then(|key| key.try_into().ok());
            let key = key.ok_or_else(|| EnrolError::Malformed(at.clone()))?;
            let key = SigningKey::from_bytes(&key);
            return Ok(Self { at, key });
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| EnrolError::File(at.clone(), io::Error::other(error)))?;
        let key = SigningKey::from_bytes(&random);
        written(&at, &BASE64.encode(&random).into())?
            .persist_noclobber(&at)
            .map_err(|error| EnrolError::File(at.clone(), error.error))?;
        Ok(Self { at, key })
    }

    fn public_key(&self) -> String {
        BASE64.encode(self.key.verifying_key().as_bytes())
    }

    /// Writes the identity, whole or not at all, and takes the key beside it away.
    fn finish(self, file: &Path, answer: &EnrolRelayResponse) -> Result<(), EnrolError> {
        let (relay_id, key_id) = (answer.relay_id.clone(), answer.key_id.clone());
        let identity = Identity::new(relay_id, key_id, self.key.to_bytes());
        written(file, &identity.to_json())?
            .persist(file)
            .map_err(|error| EnrolError::File(file.to_owned(), error.error))?;
        self.remove()
    }

    /// Takes the key beside the file away.
    fn remove(self) -> Result<(), EnrolError> {
        std::fs::remove_file(&self.at).map_err(|error| EnrolError::File(self.at, error))
    }
}

/// A text beside the file that it becomes as a whole or not at all, by being given its name.
fn written(file: &Path, text: &SecretString) -> Result<NamedTempFile, EnrolError> {
    let failed = |error| EnrolError::File(file.to_owned(), error);
    let directory = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    // Such a file is its owner's alone from the beginning.
    let mut new = NamedTempFile::new_in(directory).map_err(failed)?;
    new.write_all(text.expose_secret().as_bytes())
        .and_then(|()| new.as_file().sync_all())
        .map_err(failed)?;
    Ok(new)
}

fn read(at: &Path) -> Result<SecretString, EnrolError> {
    let failed = |error| EnrolError::File(at.to_owned(), error);
    let mut text = String::new();
    let file = File::open(at).map_err(failed)?;
    file.take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text.into())
}
