//! What an agent tells whoever watches it.

use std::path::PathBuf;
use std::time::Duration;
use wire::{AgentId, Cause, CommitSha, GitRepo, HeldJob, JobStatus, JobType, PoolName};

/// Watches an agent. Implemented for every closure that takes an [`Event`].
pub trait Observer: Send + Sync + 'static {
    /// Called for each event, in order for each job, on the agent's own threads: it must not block.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Something happened that a person who watches the agent may want to see.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The agent has joined its pool.
    Registered {
        /// Its id until it registers anew.
        agent_id: AgentId,
        /// The pool.
        pool: PoolName,
    },
    /// The agent holds a job and is about to start it.
    JobClaimed {
        /// The job and its attempt.
        job: HeldJob,
        /// Which job of `.hybrid-ci.yml` it is.
        job_type: JobType,
        /// The repository.
        git_repo: GitRepo,
        /// The commit.
        git_commit_sha: CommitSha,
    },
    /// The control plane has agreed that the job runs now.
    JobStarted {
        /// The job and its attempt.
        job: HeldJob,
        /// Where its log is.
        log: PathBuf,
    },
    /// A step begins.
    StepStarted {
        /// The job and its attempt.
        job: HeldJob,
        /// The step's number, from 1.
        number: usize,
        /// How many steps there are.
        of: usize,
        /// What it is called.
        name: String,
    },
    /// A line of the job's log, without secrets, time stamp and newline.
    LogLine {
        /// The job and its attempt.
        job: HeldJob,
        /// The line. It may have control characters in it.
        line: String,
    },
    /// A step ended by itself.
    StepEnded {
        /// The job and its attempt.
        job: HeldJob,
        /// The step's number, from 1.
        number: usize,
        /// Its exit code.
        exit_code: i32,
    },
    /// The job ended, and its result is on disk or, if the agent gave the job up, will be reported when it can be.
    JobEnded {
        /// The job and its attempt.
        job: HeldJob,
        /// The exit code that is reported.
        exit_code: i32,
        /// Why it did not succeed.
        cause: Option<Cause>,
        /// How long it ran.
        duration: Duration,
        /// Where its log is.
        log: PathBuf,
        /// The last lines of its log, at most 20.
        tail: Vec<String>,
    },
    /// The job is not the agent's any more: it was stopped, and nothing is reported of it.
    JobAbandoned {
        /// The job and its attempt.
        job: HeldJob,
        /// Why.
        reason: String,
    },
    /// The control plane has the result.
    Delivered {
        /// The job and its attempt.
        job: HeldJob,
        /// Where the job stands now.
        status: JobStatus,
    },
    /// The control plane does not want the result; it is dropped.
    Undeliverable {
        /// The job and its attempt.
        job: HeldJob,
        /// Why.
        reason: String,
    },
    /// The control plane does not answer.
    Outage {
        /// What went wrong.
        reason: String,
    },
    /// The control plane answers again.
    ContactRestored,
    /// The control plane does not know the agent's session any more; it registers anew.
    SessionOver,
    /// The agent takes no more jobs and ends after those in hand.
    Draining {
        /// Who asked for it.
        reason: &'static str,
    },
    /// The agent has left its pool.
    Deregistered,
    /// Something that a person should look at.
    Warning {
        /// What it is.
        message: String,
    },
}

impl Event {
    /// The event in one line for a terminal; nothing for events that are only of interest to programs.
    pub fn describe(&self) -> Option<String> {
        let text = match self {
            Self::Registered { agent_id, pool } => {
                format!("registered as {agent_id} in pool {pool}")
            }
            Self::JobClaimed {
                job,
                job_type,
                git_repo,
                git_commit_sha,
            } => {
                let commit = git_commit_sha.as_str().get(..12).unwrap_or_default();
                format!(
                    "{}: claimed `{job_type}` of {git_repo} at {commit}",
                    named(job)
                )
            }
            Self::JobStarted { job, log } => {
                format!("{}: started, log in {}", named(job), log.display())
            }
            Self::StepStarted {
                job,
                number,
                of,
                name,
            } => {
                format!("{}: step {number} of {of}: {name}", named(job))
            }
            Self::LogLine { .. } | Self::StepEnded { .. } => return None,
            Self::JobEnded {
                job,
                exit_code,
                cause,
                duration,
                ..
            } => {
                let seconds = duration.as_secs_f64();
                match cause {
                    None => format!("{}: passed in {seconds:.1} s", named(job)),
                    Some(cause) => {
                        format!(
                            "{}: {cause}, exit code {exit_code}, after {seconds:.1} s",
                            named(job)
                        )
                    }
                }
            }
            Self::JobAbandoned { job, reason } => format!("{}: abandoned: {reason}", named(job)),
            Self::Delivered { job, status } => {
                format!("{}: reported; it is {status} now", named(job))
            }
            Self::Undeliverable { job, reason } => {
                format!("{}: its result is dropped: {reason}", named(job))
            }
            Self::Outage { reason } => format!("no contact with the control plane: {reason}"),
            Self::ContactRestored => "the control plane answers again".to_owned(),
            Self::SessionOver => "the session is over; registering anew".to_owned(),
            Self::Draining { reason } => format!("draining: {reason}"),
            Self::Deregistered => "deregistered".to_owned(),
            Self::Warning { message } => format!("warning: {message}"),
        };
        Some(harmless(&text))
    }
}

fn named(job: &HeldJob) -> String {
    if job.attempt == 1 {
        job.job_id.to_string()
    } else {
        format!("{} (attempt {})", job.job_id, job.attempt)
    }
}

/// Text that cannot move a terminal's cursor, change its title or make it answer.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_cannot_control_the_terminal() {
        let message = "a\u{1b}]0;title\u{7}b\nc".to_owned();
        let line = Event::Warning { message }.describe();
        assert_eq!(
            line.as_deref(),
            Some("warning: a\u{fffd}]0;title\u{fffd}b\u{fffd}c")
        );
    }
}
