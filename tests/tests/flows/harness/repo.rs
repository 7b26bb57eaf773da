//! A git repository of the test's own.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A repository in a directory that is gone at the end of the test.
#[derive(Debug)]
pub(crate) struct Repo {
    directory: TempDir,
}

impl Repo {
    /// A repository without a commit.
    pub(crate) fn empty() -> Self {
        let repo = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// A repository with one commit, whose job `build` runs this script.
    pub(crate) fn with_script(script: &str) -> Self {
        let repo = Self::empty();
        repo.commit(&[(".hybrid-ci.yml", &spec(&[("build", script)]))]);
        repo
    }

    /// A repository with one commit, whose jobs run these scripts.
    pub(crate) fn with_scripts(scripts: &[(&str, &str)]) -> Self {
        let repo = Self::empty();
        repo.commit(&[(".hybrid-ci.yml", &spec(scripts))]);
        repo
    }

    /// Writes files and commits them. The commit's hash.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            fs::write(self.path().join(name), text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
        self.head()
    }

    /// The hash of the last commit.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The request that enqueues the job `build` of the last commit.
    pub(crate) fn request(&self) -> Value {
        self.request_for("build")
    }

    /// The request that enqueues a job of the last commit.
    pub(crate) fn request_for(&self, job_type: &str) -> Value {
        json!({
            "job_type": job_type,
            "pool_name": "default",
            "git_repo": format!("file://{}", self.path().display()),
            "git_commit_sha": self.head(),
        })
    }

    /// What git answers. The user's own configuration has no part in it.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A `.hybrid-ci.yml` with one step for each job. JSON is YAML.
pub(crate) fn spec(scripts: &[(&str, &str)]) -> String {
    let jobs: serde_json::Map<String, Value> = scripts
        .iter()
        .map(|(job, script)| {
            let steps = json!({ "steps": [{ "name": "only", "run": script }] });
            ((*job).to_owned(), steps)
        })
        .collect();
    serde_json::to_string_pretty(&json!({ "version": 1, "jobs": jobs })).unwrap()
}

/// A request with further fields.
pub(crate) fn with(mut request: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}
