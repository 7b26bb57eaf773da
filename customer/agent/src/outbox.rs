//! Results on disk until the control plane has them.
//!
//! A result is written here before the first try to deliver it, so that neither an outage nor a crash of either side loses
//! one. Each is a file of its own with the session token it must be reported under, readable to the owner only.

use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use wire::{AgentId, CompleteRequest, HeldJob, JobId};

/// The most bytes an entry has; a larger file is none.
const MAX_ENTRY_BYTES: u64 = 64 * 1024;
/// The most entries that are read at a start.
const MAX_ENTRIES: usize = 10_000;

/// A result that the control plane does not have yet.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The control plane's base address: a token is shown to nobody else.
    pub(crate) url: String,
    /// The agent that ran the job.
    pub(crate) agent_id: AgentId,
    /// The token of the session that it ran in.
    pub(crate) session_token: String,
    /// The job.
    pub(crate) job_id: JobId,
    /// What to report.
    pub(crate) result: CompleteRequest,
}

impl Entry {
    pub(crate) fn job(&self) -> HeldJob {
        HeldJob {
            job_id: self.job_id.clone(),
            attempt: self.result.attempt,
        }
    }

    fn file_name(&self) -> String {
        format!("{}-{}.json", self.job_id, self.result.attempt)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("job", &self.job())
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

/// The directory of results that are not delivered.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    directory: PathBuf,
}

impl Outbox {
    /// The outbox in an existing directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes the entry so that it is there as a whole, or not at all, even after a power cut.
    pub(crate) fn put(&self, entry: &Entry) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(entry).map_err(io::Error::other)?;
        // Made with mode 0600.
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.directory)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(self.directory.join(entry.file_name()))
            .map_err(|error| error.error)?;
        self.sync()
    }

    /// Removes the entry: the control plane has answered for good.
    pub(crate) fn remove(&self, entry: &Entry) -> io::Result<()> {
        match fs::remove_file(self.directory.join(entry.file_name())) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Every entry that is left from earlier, and what is wrong with files that are none. Those are moved aside.
    pub(crate) fn load(&self) -> io::Result<(Vec<Entry>, Vec<String>)> {
        let mut entries = Vec::new();
        let mut warnings = Vec::new();
        for file in fs::read_dir(&self.directory)?.take(MAX_ENTRIES) {
            let path = file?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with(".new-") {
                // The agent was killed while it wrote this one; no job waits for it.
                fs::remove_file(&path)?;
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                match read_entry(&path) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => {
                        let aside = path.with_extension("corrupt");
                        fs::rename(&path, &aside)?;
                        warnings.push(format!(
                            "a result cannot be read ({error}); the file is moved aside to {}",
                            aside.display()
                        ));
                    }
                }
            }
        }
        Ok((entries, warnings))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

fn read_entry(path: &Path) -> io::Result<Entry> {
    if fs::metadata(path)?.len() > MAX_ENTRY_BYTES {
        return Err(io::Error::other(format!(
            "it has more than {MAX_ENTRY_BYTES} bytes"
        )));
    }
    // The position in the file says enough; the text of the error could repeat a token.
    serde_json::from_slice(&fs::read(path)?).map_err(|error| {
        io::Error::other(format!("line {}, column {}", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn entry() -> Entry {
        Entry {
            url: "https://x".into(),
            agent_id: AgentId::parse("agent-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap(),
            session_token: "token".into(),
            job_id: JobId::parse("job-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap(),
            result: CompleteRequest {
                attempt: 2,
                exit_code: 0,
                duration_seconds: 1.5,
                cause: None,
                logs_url: None,
            },
        }
    }

    #[test]
    fn an_entry_is_there_after_a_restart_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(directory.path().to_owned());
        outbox.put(&entry()).unwrap();
        let file = directory.path().join(entry().file_name());
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let (entries, warnings) = Outbox::new(directory.path().to_owned()).load().unwrap();
        assert_eq!((entries.len(), warnings.len()), (1, 0));
        assert_eq!(entries[0].result, entry().result);
        outbox.remove(&entry()).unwrap();
        outbox.remove(&entry()).unwrap();
        assert!(outbox.load().unwrap().0.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_moved_aside_and_half_written_files_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(directory.path().to_owned());
        outbox.put(&entry()).unwrap();
        fs::write(
            directory.path().join("bad.json"),
            "{\"session_token\":\"hush",
        )
        .unwrap();
        fs::write(directory.path().join(".new-abc"), "{").unwrap();
        let (entries, warnings) = outbox.load().unwrap();
        assert_eq!((entries.len(), warnings.len()), (1, 1));
        assert!(!warnings[0].contains("hush"));
        assert!(directory.path().join("bad.corrupt").exists());
        assert!(!directory.path().join(".new-abc").exists());
    }

    #[test]
    fn a_token_is_not_in_the_debug_text() {
        assert!(!format!("{:?}", entry()).contains("token"));
    }
}
