//! A git repository of the test's own.

use std::path::Path;
use std::process::Command;
use wire::{CommitSha, GitRepo};

pub(crate) struct Repo {
    directory: tempfile::TempDir,
}

impl Repo {
    /// A repository with nothing in it.
    pub(crate) fn empty() -> Self {
        let repo = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// A repository whose `.hybrid-ci.yml` is this text, and the commit that has it.
    pub(crate) fn with_spec(spec: &str) -> (Self, CommitSha) {
        let repo = Self::empty();
        let sha = repo.commit(".hybrid-ci.yml", spec);
        (repo, sha)
    }

    /// A repository with one job `build` that runs this script.
    pub(crate) fn with_script(script: &str) -> (Self, CommitSha) {
        let script = serde_json::to_string(script).unwrap();
        Self::with_spec(&format!(
            "version: 1\njobs: {{build: {{steps: [{{name: only, run: {script}}}]}}}}\n"
        ))
    }

    pub(crate) fn commit(&self, file: &str, text: &str) -> CommitSha {
        std::fs::write(self.path().join(file), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
        self.head()
    }

    pub(crate) fn head(&self) -> CommitSha {
        CommitSha::parse(self.git(&["rev-parse", "HEAD"]).trim()).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn url(&self) -> GitRepo {
        GitRepo::parse(&format!("file://{}", self.path().display())).unwrap()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=test",
                "-c",
                "user.email=test@example.com",
                "-c",
                "commit.gpgSign=false",
            ])
            .args(arguments)
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}
