//! The agent's directories: private, and one agent's at a time.

use crate::config::Config;
use crate::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directories, made and locked. The locks end with this value, or with the process.
#[derive(Debug)]
pub(crate) struct Directories {
    /// A bare mirror of each repository.
    pub(crate) mirrors: PathBuf,
    /// A working directory for each running job.
    pub(crate) jobs: PathBuf,
    /// A file for each result that is not delivered.
    pub(crate) outbox: PathBuf,
    /// A log for each attempt.
    pub(crate) logs: PathBuf,
    _locks: [File; 2],
}

impl Directories {
    /// Makes the directories, locks them, and removes what a killed agent left in them.
    pub(crate) fn prepare(config: &Config) -> Result<Self, Error> {
        let (state, work) = (absolute(&config.state_dir)?, absolute(&config.work_dir)?);
        let locks = [
            lock_directory(&state, "state.lock")?,
            lock_directory(&work, "work.lock")?,
        ];
        let jobs = work.join("jobs");
        if jobs.exists() {
            remove_tree(&jobs).map_err(|source| Error::Directory {
                path: jobs.clone(),
                source,
            })?;
        }
        let ready = Self {
            mirrors: work.join("mirrors"),
            jobs,
            outbox: state.join("outbox"),
            logs: absolute(&config.log_dir)?,
            _locks: locks,
        };
        for path in [&ready.mirrors, &ready.jobs, &ready.outbox, &ready.logs] {
            make(path)?;
        }
        Ok(ready)
    }
}

fn make(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::Directory {
            path: path.to_owned(),
            source,
        })
}

/// Steps and git run in directories of their own, where a relative path would mean something else.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Directory {
        path: path.to_owned(),
        source,
    })
}

fn lock_directory(path: &Path, name: &str) -> Result<File, Error> {
    make(path)?;
    let failed = |source| Error::Directory {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join(name))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a directory and all in it, also where a build took away its own right to write.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
    }
}

fn make_writable(root: &Path) -> io::Result<()> {
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            // `file_type` does not follow symbolic links, so that nothing outside is touched.
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use wire::PoolName;

    #[test]
    fn a_second_agent_is_refused_and_what_a_killed_one_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let pool = PoolName::parse("p").unwrap();
        let config = Config::new("https://x", pool, "k".into(), root.path());
        let first = Directories::prepare(&config).unwrap();
        assert!(matches!(
            Directories::prepare(&config),
            Err(Error::InUse { .. })
        ));
        let left = first.jobs.join("job-1");
        fs::create_dir_all(left.join("deep")).unwrap();
        fs::write(left.join("deep/file"), "x").unwrap();
        fs::set_permissions(left.join("deep"), fs::Permissions::from_mode(0o500)).unwrap();
        drop(first);
        Directories::prepare(&config).unwrap();
        assert!(!left.exists());
        let mode = fs::metadata(root.path().join("state/outbox"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
