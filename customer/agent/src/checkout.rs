//! Brings a commit into a fresh directory, by way of a mirror on this machine.

use crate::directories::remove_tree;
use crate::git::Git;
use crate::holdings::Control;
use crate::job::Outcome;
use crate::job_log::JobLog;
use crate::process::{Limits, Output};
use crate::spec::{MAX_SPEC_BYTES, SPEC_FILE};
use crate::sync::lock;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedMutexGuard;
use wire::{CommitSha, GitRepo};

/// One mirror is used by one job at a time: git's own locks make the second one fail instead of wait.
#[derive(Debug, Default)]
pub(crate) struct MirrorLocks(Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>);

impl MirrorLocks {
    async fn lock(
        &self,
        mirror: &Path,
        control: &Control,
        limits: Limits<'_>,
    ) -> Result<OwnedMutexGuard<()>, Outcome> {
        let mutex = lock(&self.0).entry(mirror.to_owned()).or_default().clone();
        let mut stop = control.stop.clone();
        tokio::select! {
            guard = mutex.lock_owned() => Ok(guard),
            Ok(reason) = stop.wait_for(Option::is_some) => {
                Err(reason.map_or(Outcome::TimedOut(String::new()), Outcome::Stopped))
            }
            () = tokio::time::sleep_until(limits.deadline) => {
                Err(Outcome::TimedOut("while another job was fetching the same repository".to_owned()))
            }
        }
    }
}

/// What to check out, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkout<'a> {
    pub(crate) git: &'a Git,
    pub(crate) limits: Limits<'a>,
    pub(crate) repo: &'a GitRepo,
    pub(crate) sha: &'a CommitSha,
    /// The directory of all mirrors.
    pub(crate) mirrors: &'a Path,
    /// The directory to make.
    pub(crate) target: &'a Path,
}

/// Why a checkout did not work.
enum Trouble {
    /// It will not work however often it is tried.
    Final(Outcome),
    /// The mirror may be damaged.
    Mirror(String),
}

impl From<Outcome> for Trouble {
    fn from(outcome: Outcome) -> Self {
        Self::Final(outcome)
    }
}

impl Checkout<'_> {
    /// Makes the directory with the commit in it.
    pub(crate) async fn make(
        &self,
        locks: &MirrorLocks,
        control: &Control,
        log: &mut JobLog,
    ) -> Result<(), Outcome> {
        let mirror = self.mirrors.join(mirror_name(self.repo, self.sha));
        let _lock = locks.lock(&mirror, control, self.limits).await?;
        let is_new = !mirror.join("HEAD").exists();
        let why = match self.through(&mirror, log).await {
            Ok(()) => return Ok(()),
            Err(Trouble::Final(outcome)) => return Err(outcome),
            Err(Trouble::Mirror(why)) => why,
        };
        if !is_new {
            log.note("the local mirror of the repository seems to be damaged; it is fetched anew");
            for directory in [&mirror, self.target] {
                remove(directory).await?;
            }
            match self.through(&mirror, log).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(outcome)) => return Err(outcome),
                Err(Trouble::Mirror(_)) => {}
            }
        }
        Err(Outcome::AgentError(why))
    }

    async fn through(&self, mirror: &Path, log: &mut JobLog) -> Result<(), Trouble> {
        if !mirror.join("HEAD").exists() {
            remove(mirror).await?;
            let format = if self.sha.as_str().len() == 64 {
                "sha256"
            } else {
                "sha1"
            };
            let format = format!("--object-format={format}");
            let path = mirror.to_string_lossy();
            let made = self
                .call(
                    log,
                    &["init", "--quiet", "--bare", "--template=", &format, &path],
                )
                .await?;
            if !made {
                let why = format!(
                    "cannot make a mirror in {}; git's message is above",
                    mirror.display()
                );
                return Err(Outcome::AgentError(why).into());
            }
        }
        if !self.has_commit(mirror).await? {
            self.fetch(mirror, log).await?;
        }
        self.clone_from(mirror, log).await
    }

    async fn has_commit(&self, mirror: &Path) -> Result<bool, Outcome> {
        let (git_dir, commit) = (git_dir(mirror), format!("{}^{{commit}}", self.sha));
        let answer = self
            .git
            .try_run(
                self.limits,
                Output::Stdout,
                &[&*git_dir, "cat-file", "-e", &commit],
            )
            .await?;
        Ok(answer.ok)
    }

    async fn fetch(&self, mirror: &Path, log: &mut JobLog) -> Result<(), Trouble> {
        log.note(&format!("fetching {}", self.repo));
        let git_dir = git_dir(mirror);
        let fetch = [
            &*git_dir,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--force",
        ];
        let all = [
            &fetch[..],
            &[
                "--prune",
                "--",
                self.repo.as_str(),
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
            ],
        ];
        if !self.call(log, &all.concat()).await? {
            // Whether the repository or the mirror is at fault shows in a call that does without the mirror.
            return if self
                .call(
                    log,
                    &["ls-remote", "--quiet", "--heads", "--", self.repo.as_str()],
                )
                .await?
            {
                Err(Trouble::Mirror(
                    "the repository cannot be fetched; git's message is above".to_owned(),
                ))
            } else {
                Err(Outcome::AgentError(format!(
                    "cannot read the repository {}; git's message is above. Check the address, and that the agent's user may \
                     read it: `git ls-remote {}` must work for that user without a prompt",
                    self.repo, self.repo
                ))
                .into())
            };
        }
        if self.has_commit(mirror).await? {
            return Ok(());
        }
        // It is on no branch and no tag; most servers hand it out all the same while they have it.
        let refspec = format!("+{sha}:refs/hybrid-ci/{sha}", sha = self.sha);
        let one = [&fetch[..], &["--", self.repo.as_str(), &refspec]];
        if self.call(log, &one.concat()).await? && self.has_commit(mirror).await? {
            return Ok(());
        }
        Err(Outcome::AgentError(format!(
            "there is no commit {} in {}; push it, or enqueue the job with a commit that is there",
            self.sha, self.repo
        ))
        .into())
    }

    async fn clone_from(&self, mirror: &Path, log: &mut JobLog) -> Result<(), Trouble> {
        let broken = |what: &str| {
            Trouble::Mirror(format!(
                "the commit cannot be {what}; git's message is above"
            ))
        };
        let (from, to) = (mirror.to_string_lossy(), self.target.to_string_lossy());
        // Local: hard links to the mirror's objects, which stay when the mirror is removed.
        let clone = [
            "clone",
            "--quiet",
            "--local",
            "--no-checkout",
            "--template=",
            "--",
            &*from,
            &*to,
        ];
        if !self.call(log, &clone).await? {
            return Err(broken("taken from the mirror"));
        }
        let address = [
            "-C",
            &*to,
            "remote",
            "set-url",
            "origin",
            self.repo.as_str(),
        ];
        let checkout = [
            "-C",
            &*to,
            "checkout",
            "--quiet",
            "--force",
            "--detach",
            self.sha.as_str(),
        ];
        if !self.call(log, &address).await? || !self.call(log, &checkout).await? {
            return Err(broken("checked out"));
        }
        let head = ["-C", &*to, "rev-parse", "HEAD"];
        let head = self.git.try_run(self.limits, Output::Stdout, &head).await?;
        if head.output.trim_ascii() != self.sha.as_str().as_bytes() {
            return Err(broken("checked out: HEAD is another one"));
        }
        Ok(())
    }

    async fn call(&self, log: &mut JobLog, arguments: &[&str]) -> Result<bool, Outcome> {
        self.git.run(self.limits, log, arguments).await
    }

    /// The text of `.hybrid-ci.yml` as the commit has it, whatever the working directory shows.
    pub(crate) async fn read_spec(&self) -> Result<String, Outcome> {
        let to = self.target.to_string_lossy();
        let list = ["-C", &*to, "ls-tree", "-z", "-l", "HEAD", "--", SPEC_FILE];
        let list = self.git.try_run(self.limits, Output::Stdout, &list).await?;
        let list = String::from_utf8_lossy(&list.output).into_owned();
        let mut fields = list.split_ascii_whitespace();
        let (mode, _kind, object) = (fields.next(), fields.next(), fields.next());
        let size = fields.next().and_then(|size| size.parse::<usize>().ok());
        let fault = match (mode, object, size) {
            (Some("100644" | "100755"), Some(object), Some(size)) if size <= MAX_SPEC_BYTES => {
                let blob = ["-C", &*to, "cat-file", "blob", object];
                let blob = self.git.try_run(self.limits, Output::Stdout, &blob).await?;
                match String::from_utf8(blob.output) {
                    Ok(text) if blob.ok => return Ok(text),
                    Ok(_) => format!("{SPEC_FILE} cannot be read from the commit"),
                    Err(_) => format!("{SPEC_FILE} is not UTF-8; save it as UTF-8"),
                }
            }
            (None, _, _) => format!(
                "there is no {SPEC_FILE} at the root of the repository in commit {}; add one that says what the job's steps are",
                self.sha
            ),
            (Some("100644" | "100755"), _, _) => {
                format!("{SPEC_FILE} has more than {MAX_SPEC_BYTES} bytes")
            }
            (Some(_), _, _) => {
                format!("{SPEC_FILE} is not a file; symbolic links are not followed")
            }
        };
        Err(Outcome::AgentError(fault))
    }
}

fn git_dir(mirror: &Path) -> String {
    format!("--git-dir={}", mirror.display())
}

async fn remove(directory: &Path) -> Result<(), Outcome> {
    let path = directory.to_owned();
    let removed = tokio::task::spawn_blocking(move || remove_tree(&path)).await;
    match removed {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Outcome::AgentError(format!(
            "cannot remove {}: {error}",
            directory.display()
        ))),
        Err(error) => Err(Outcome::AgentError(error.to_string())),
    }
}

/// A name that is the same for the same address, and a file name whatever the address is.
fn mirror_name(repo: &GitRepo, sha: &CommitSha) -> String {
    let mut name = String::new();
    for byte in &Sha256::digest(repo.as_str())[..16] {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    let kind = if sha.as_str().len() == 64 {
        "-sha256"
    } else {
        ""
    };
    format!("{name}{kind}.git")
}
