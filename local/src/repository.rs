//! The commit that the user is at, and what may be run there.

use anyhow::{Context, Result, bail};
use hybrid_agent::{SPEC_FILE, Spec};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use wire::{CommitSha, GitAuthor, GitRef, GitRepo, JobType, PoolName};

/// What to write into `.hybrid-ci.yml` to begin with.
const EXAMPLE: &str = "  version: 1\n  jobs:\n    build:\n      steps:\n        - name: hello\n          run: echo \"Hello from $(git rev-parse --short HEAD)\"\n";

/// A commit with a `.hybrid-ci.yml`.
#[derive(Debug)]
pub(crate) struct Head {
    repo: GitRepo,
    reference: Option<GitRef>,
    author: Option<GitAuthor>,
    pub(crate) sha: CommitSha,
    pub(crate) job_type: JobType,
    /// The directory's name, for people.
    pub(crate) name: String,
    /// Whether the working tree has changes that the commit has not.
    pub(crate) dirty: bool,
}

impl Head {
    /// The HEAD of the repository around a directory.
    pub(crate) fn find(directory: &Path, job_type: Option<&JobType>) -> Result<Self> {
        let root = match git(directory, &["rev-parse", "--show-toplevel"])? {
            Some(root) => PathBuf::from(root),
            None => bail!(
                "{} is not in a git repository: go to one, name one with --repository DIR, or use --serve to start without a job",
                directory.display()
            ),
        };
        let Some(sha) = git(&root, &["rev-parse", "--verify", "--quiet", "HEAD"])? else {
            bail!(
                "{} has no commit yet: commit something first, or use --serve",
                root.display()
            );
        };
        let Some(text) = git(&root, &["show", &format!("HEAD:{SPEC_FILE}")])? else {
            bail!(
                "there is no {SPEC_FILE} in the commit {}: jobs are run as the file of their own commit says. Write one, for instance\n\n{EXAMPLE}\nand commit it, or use --serve to start without a job",
                &sha[..10]
            );
        };
        let spec = Spec::parse(&text)
            .with_context(|| format!("{SPEC_FILE} of the commit {}", &sha[..10]))?;
        let job_type = choose(&spec, job_type)?;
        let reference = git(&root, &["symbolic-ref", "--quiet", "HEAD"])?;
        let author = git(&root, &["show", "--no-patch", "--format=%an <%ae>", "HEAD"])?;
        let dirty = git(&root, &["status", "--porcelain", "--untracked-files=no"])?
            .is_some_and(|changes| !changes.is_empty());
        Ok(Self {
            repo: GitRepo::parse(&format!("file://{}", root.display())).with_context(|| {
                format!(
                    "the path {} cannot be a repository's address",
                    root.display()
                )
            })?,
            reference: reference.and_then(|reference| GitRef::parse(&reference).ok()),
            author: author.and_then(|author| GitAuthor::parse(&author).ok()),
            sha: CommitSha::parse(&sha)?,
            job_type,
            name: root
                .file_name()
                .unwrap_or(root.as_os_str())
                .to_string_lossy()
                .into_owned(),
            dirty,
        })
    }

    /// The request that enqueues the job: one attempt, since somebody is watching.
    pub(crate) fn request(&self, pool: &PoolName) -> Value {
        let mut request = json!({
            "job_type": self.job_type,
            "pool_name": pool,
            "git_repo": self.repo,
            "git_commit_sha": self.sha,
            "max_attempts": 1,
        });
        if let Some(reference) = &self.reference {
            request["git_ref"] = json!(reference);
        }
        if let Some(author) = &self.author {
            request["git_author"] = json!(author);
        }
        request
    }
}

fn choose(spec: &Spec, wanted: Option<&JobType>) -> Result<JobType> {
    let names = || {
        spec.jobs
            .keys()
            .map(JobType::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match wanted {
        Some(wanted) if spec.jobs.contains_key(wanted) => Ok(wanted.clone()),
        Some(wanted) => bail!("{SPEC_FILE} has no job `{wanted}`; it has {}", names()),
        None => spec
            .jobs
            .keys()
            .find(|name| name.as_str() == "build")
            .or_else(|| spec.jobs.keys().next())
            .cloned()
            .with_context(|| format!("{SPEC_FILE} has no jobs")),
    }
}

/// What git answers, without the newline at its end; none if it says no.
fn git(directory: &Path, arguments: &[&str]) -> Result<Option<String>> {
    let output = match Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "git is not installed, or not on the PATH: install it, or use --serve to start without a job"
            )
        }
        Err(error) => return Err(error).context("cannot run git"),
    };
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8(output.stdout)
        .context("git answered with something that is not UTF-8")?;
    Ok(Some(text.trim_end_matches('\n').to_owned()))
}
