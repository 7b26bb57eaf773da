//! A job: what to run, and where it stands.

mod transition;
mod view;

pub use transition::{JobChange, JobEvent, Loss, Transition, TransitionError, transition};

use crate::timing::START_WITHIN_SECONDS;
use wire::{
    AgentId, Cause, CommitSha, GitAuthor, GitRef, GitRepo, JobId, JobStatus, JobType, LogsUrl,
    PoolName, Priority, Tags, Timestamp,
};

/// How much longer than `timeout_seconds` a job may run before the control plane times it out itself, in seconds. The
/// agent stops it at `timeout_seconds`, gives it 10 s to end, and reports; this is for agents that do not.
pub const TIMEOUT_GRACE_SECONDS: i64 = 30;

/// How many losses dead-letter a job.
pub const MAX_LOSSES: u32 = 5;

/// How many attempts a job's history keeps: the last ones.
pub const MAX_HISTORY: usize = 20;

/// The wait before the first automatic retry, in seconds. It doubles with every further failure.
const FIRST_BACK_OFF_SECONDS: i64 = 5;

/// The longest wait before an automatic retry, in seconds.
const LONGEST_BACK_OFF_SECONDS: i64 = 300;

/// The wait before the retry that follows the given number of failures, in seconds.
pub fn back_off_seconds(failures: u32) -> i64 {
    let doublings = failures.saturating_sub(1).min(10);
    (FIRST_BACK_OFF_SECONDS << doublings).min(LONGEST_BACK_OFF_SECONDS)
}

/// What to run. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Which job of `.hybrid-ci.yml` to run.
    pub job_type: JobType,
    /// The pool whose agents may run it.
    pub pool_name: PoolName,
    /// The repository.
    pub git_repo: GitRepo,
    /// The branch or tag the commit was taken from.
    pub git_ref: Option<GitRef>,
    /// The commit.
    pub git_commit_sha: CommitSha,
    /// The commit's author.
    pub git_author: Option<GitAuthor>,
    /// The user's own labels.
    pub tags: Tags,
    /// A reference to a sealed specification.
    pub spec_ref: Option<String>,
    /// The digest of the specification.
    pub spec_sha256: Option<String>,
    /// How long an attempt may run, from its start, in seconds.
    pub timeout_seconds: u32,
    /// How many failures end the job.
    pub max_attempts: u32,
}

/// Who holds a live job: an agent under one epoch of its lease. An agent's epoch rises when it is declared lost, so a
/// job held under an older epoch than its agent's is a lost job, even if the agent came back since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The agent.
    pub agent_id: AgentId,
    /// The epoch of its lease at the claim.
    pub epoch: u32,
}

/// Where a job stands, with what exists only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Moved here by enqueue, automatic and manual retry, and requeue after a loss. Next: claim, cancel, reprioritise.
    Queued,
    /// Moved here by a claim. Next: start, complete, loss, cancel request.
    Claimed {
        /// Who claimed it.
        holder: Holder,
        /// When.
        claimed_at: Timestamp,
    },
    /// Moved here by the start of the attempt. Next: complete, timeout, loss, cancel request.
    Running {
        /// Who runs it.
        holder: Holder,
        /// When it was claimed.
        claimed_at: Timestamp,
        /// When it was started.
        started_at: Timestamp,
    },
    /// Moved here by a complete with exit code 0. The end.
    Completed {
        /// When.
        ended_at: Timestamp,
    },
    /// Moved here by the failure of the only attempt, or by hand. Next: manual retry.
    Failed {
        /// When.
        ended_at: Timestamp,
    },
    /// Moved here by the last failure or loss of its budget. Next: manual retry.
    DeadLettered {
        /// When.
        ended_at: Timestamp,
    },
    /// Moved here by a cancel while queued, or the end of an attempt that was to be cancelled. Next: manual retry.
    Cancelled {
        /// When.
        ended_at: Timestamp,
    },
}

/// How one attempt went.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: u32,
    /// The agent that held it; none if a person closed a job that nobody held.
    pub agent_id: Option<AgentId>,
    /// When it was claimed.
    pub claimed_at: Option<Timestamp>,
    /// When it was started, if it was.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The exit code, if one was reported.
    pub exit_code: Option<i32>,
    /// How long it ran, as reported, in seconds.
    pub duration_seconds: Option<f64>,
    /// Why it did not succeed; none if it did.
    pub cause: Option<Cause>,
    /// Where the customer keeps its log.
    pub logs_url: Option<LogsUrl>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub job_id: JobId,
    /// What to run.
    pub spec: JobSpec,
    /// How urgent it is.
    pub priority: Priority,
    /// Who enqueued it.
    pub created_by: String,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was enqueued, or retried by hand.
    pub queued_at: Timestamp,
    /// From when on it may be claimed, which is also its place in line. Later than `queued_at` after a failure.
    pub available_at: Timestamp,
    /// The number of the last attempt; 0 before the first claim. It only rises, and fences every write of an agent.
    pub attempt: u32,
    /// Failures since the last manual retry.
    pub failures: u32,
    /// Losses since the last manual retry.
    pub losses: u32,
    /// Whether somebody asked for a live attempt to be cancelled.
    pub cancel_requested: bool,
    /// Where it stands.
    pub state: JobState,
    /// The attempts that ended, oldest first, the last [`MAX_HISTORY`] of them.
    pub history: Vec<AttemptRecord>,
    /// Rises with every write.
    pub revision: u64,
}

impl Job {
    /// A new job at the end of the line.
    pub fn enqueue(
        job_id: JobId,
        spec: JobSpec,
        priority: Priority,
        created_by: String,
        now: Timestamp,
    ) -> Self {
        Self {
            job_id,
            spec,
            priority,
            created_by,
            created_at: now,
            queued_at: now,
            available_at: now,
            attempt: 0,
            failures: 0,
            losses: 0,
            cancel_requested: false,
            state: JobState::Queued,
            history: Vec::new(),
            revision: 0,
        }
    }

    /// Where it stands, in one word.
    pub fn status(&self) -> JobStatus {
        match &self.state {
            JobState::Queued => JobStatus::Queued,
            JobState::Claimed { .. } => JobStatus::Claimed,
            JobState::Running { .. } => JobStatus::Running,
            JobState::Completed { .. } => JobStatus::Completed,
            JobState::Failed { .. } => JobStatus::Failed,
            JobState::DeadLettered { .. } => JobStatus::DeadLettered,
            JobState::Cancelled { .. } => JobStatus::Cancelled,
        }
    }

    /// Who holds it, if it is claimed or running.
    pub fn holder(&self) -> Option<&Holder> {
        match &self.state {
            JobState::Claimed { holder, .. } | JobState::Running { holder, .. } => Some(holder),
            JobState::Queued
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. } => None,
        }
    }

    /// When it was claimed, if it is claimed or running.
    pub fn claimed_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Claimed { claimed_at, .. } | JobState::Running { claimed_at, .. } => {
                Some(*claimed_at)
            }
            JobState::Queued
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. } => None,
        }
    }

    /// When its live attempt was started, if it runs.
    pub fn started_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Running { started_at, .. } => Some(*started_at),
            JobState::Queued
            | JobState::Claimed { .. }
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. } => None,
        }
    }

    /// When it ended, if it did.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Completed { ended_at }
            | JobState::Failed { ended_at }
            | JobState::DeadLettered { ended_at }
            | JobState::Cancelled { ended_at } => Some(*ended_at),
            JobState::Queued | JobState::Claimed { .. } | JobState::Running { .. } => None,
        }
    }

    /// By when somebody has to look at it: a claimed job that was not started, a running one that timed out.
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            JobState::Claimed { claimed_at, .. } => {
                Some(claimed_at.plus_seconds(START_WITHIN_SECONDS))
            }
            JobState::Running { started_at, .. } => {
                let seconds = i64::from(self.spec.timeout_seconds) + TIMEOUT_GRACE_SECONDS;
                Some(started_at.plus_seconds(seconds))
            }
            JobState::Queued
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. } => None,
        }
    }
}
