//! A token in a file that somebody else keeps fresh, as Kubernetes does with projected service account tokens.

use crate::settings::read_small;
use secrecy::SecretString;
use std::path::Path;

/// What is in the file now.
pub(super) fn token(path: &Path) -> Result<SecretString, String> {
    read_small(path)
        .map(SecretString::from)
        .map_err(|error| format!("{}: {error}", path.display()))
}
