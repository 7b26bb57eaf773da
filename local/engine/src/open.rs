//! Opening a database without ever making a damaged one worse.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use dynoxide::Database;
use rusqlite::Connection;

use crate::integrity;

/// Why a database could not be opened. Whatever the reason, its file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file holds something else. Choose another path, or move the file away to start with an empty database.
    #[error("{} is not a database; choose another path or move the file away", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged. Restore it from a copy, or move it away to start with an empty database.
    #[error(
        "the database {} is damaged ({detail}); restore it from a copy or move it away to start with an empty one",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The first fault that was found.
        detail: String,
    },
    /// A newer version of this program wrote the file. Use that version.
    #[error("the database {} was written by a newer version of this program; use that version", path.display())]
    WrittenByNewerEngine {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the database open. Stop it, or choose another path.
    #[error("the database {} is in use by another process; stop it or choose another path", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written: see the cause, which is most often a missing directory, a missing
    /// permission or a full disk.
    #[error("the database {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The database engine failed in a way that has no better name; the text is its own.
    #[error("the database engine failed: {0}")]
    Engine(String),
}

/// A database and the lock that keeps other processes out of it. The fields are dropped in this order: the lock is
/// given up when the database is closed.
pub(crate) struct OpenDatabase {
    pub(crate) database: Database,
    _lock: Option<File>,
}

impl fmt::Debug for OpenDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDatabase").finish_non_exhaustive()
    }
}

pub(crate) fn memory() -> Result<OpenDatabase, OpenError> {
    let database = Database::memory().map_err(|error| OpenError::Engine(error.to_string()))?;
    Ok(OpenDatabase {
        database,
        _lock: None,
    })
}

pub(crate) fn file(path: &Path) -> Result<OpenDatabase, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let Some(name) = path.to_str() else {
        return Err(io(io::Error::new(
            ErrorKind::InvalidInput,
            "the path is not UTF-8",
        )));
    };
    let lock = lock(path)?;
    if !integrity::check(path)? {
        create(path).map_err(|error| integrity::explain(path, &error.into()))?;
    }
    let database = Database::new(name).map_err(|error| integrity::explain(path, &error))?;
    Ok(OpenDatabase {
        database,
        _lock: Some(lock),
    })
}

/// Makes an empty database with small pages. A job's write changes a few bytes in each of a dozen pages, and whole pages
/// go to the disk: with 2 KiB a write takes a tenth less time than with SQLite's usual 4 KiB.
fn create(path: &Path) -> rusqlite::Result<()> {
    Connection::open(path)?.execute_batch("PRAGMA page_size = 2048; PRAGMA journal_mode = WAL;")
}

/// The lock stands beside the database and not on it: closing any handle to the database's own file would give up the
/// locks SQLite holds on it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(integrity::beside(path, ".lock"))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
