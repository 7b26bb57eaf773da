//! Files that somebody else keeps: a mounted secret, or what an agent of a vault writes.

use super::VaultError;
use super::http::{MAX_BYTES, TIMEOUT};
use secrecy::SecretString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The text of a file.
pub(super) async fn read(path: PathBuf) -> Result<SecretString, VaultError> {
    // A file system over the network can take any time.
    let reading = tokio::task::spawn_blocking(move || read_small(&path));
    match tokio::time::timeout(TIMEOUT, reading).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(VaultError::Unreachable("the file: time-out".to_owned())),
    }
}

fn read_small(path: &Path) -> Result<SecretString, VaultError> {
    let failed = |error: std::io::Error| {
        let why = format!("the file: {}", error.kind());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => VaultError::Missing(why),
            ErrorKind::PermissionDenied => VaultError::Denied(why),
            ErrorKind::InvalidData => VaultError::Malformed(why),
            _ => VaultError::Unreachable(why),
        }
    };
    // Opening a pipe would wait for somebody to write into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(VaultError::Malformed("it is no file".to_owned()));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let most = MAX_BYTES as u64;
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() > MAX_BYTES {
        let why = format!("the file has more than {MAX_BYTES} bytes");
        return Err(VaultError::Malformed(why));
    }
    Ok(text.into())
}

/// Whether more people can read a file than its owner. A file of root's that a group may read is none: so Kubernetes mounts
/// secrets, and so a machine gives a service what it may not change.
pub(super) fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|file| {
        let allowed = if file.uid() == 0 { 0o740 } else { 0o700 };
        file.mode() & 0o777 & !allowed != 0
    })
}
