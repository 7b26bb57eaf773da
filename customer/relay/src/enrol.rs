//! A relay is given its identity: a key pair is made here, and only the public key leaves this machine.

use crate::identity::Identity;
use crate::plane::{CallError, Plane, Stamp};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
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
/// # Errors
/// [`EnrolError`].
pub async fn rotate_key(
    plane: &Plane,
    file: &Path,
    stamp: &Stamp,
) -> Result<EnrolRelayResponse, EnrolError> {
    let text = read(file)?;
    let old = Identity::parse(&text).ok_or_else(|| EnrolError::Malformed(file.to_owned()))?;
    let pending = Pending::open(file)?;
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
        write_new(&at, &BASE64.encode(&random).into())?;
        Ok(Self { at, key })
    }

    fn public_key(&self) -> String {
        BASE64.encode(self.key.verifying_key().as_bytes())
    }

    /// Writes the identity, whole or not at all, and takes the key beside it away.
    fn finish(self, file: &Path, answer: &EnrolRelayResponse) -> Result<(), EnrolError> {
        let (relay_id, key_id) = (answer.relay_id.clone(), answer.key_id.clone());
        let identity = Identity::new(relay_id, key_id, self.key.to_bytes());
        let failed = |error| EnrolError::File(file.to_owned(), error);
        let directory = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        // Such a file is its owner's alone from the beginning.
        let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        new.write_all(identity.to_json().expose_secret().as_bytes())
            .and_then(|()| new.as_file().sync_all())
            .map_err(failed)?;
        new.persist(file).map_err(|error| failed(error.error))?;
        std::fs::remove_file(&self.at).map_err(|error| EnrolError::File(self.at, error))
    }
}

fn write_new(at: &Path, text: &SecretString) -> Result<(), EnrolError> {
    let failed = |error| EnrolError::File(at.to_owned(), error);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(at)
        .map_err(failed)?;
    file.write_all(text.expose_secret().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
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
