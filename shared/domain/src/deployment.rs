//! A deployment of one version of a service, from its creation to production and out of it again.

mod plan;
mod transition;

pub use plan::{Plan, PlanOutcome, Service, ServiceChange, WasLive, promote, roll_back};
pub use transition::{DeploymentChange, Event, Transition, TransitionError, diagram, transition};

use wire::{
    CommitSha, DeploymentId, DeploymentStatus, GitAuthor, JobId, ServiceName, ServiceVersion,
    ShortText, Timestamp,
};

/// How many entries a deployment's history keeps: the last ones.
pub const MAX_HISTORY: usize = 100;

/// How many deployments a service remembers that were live: the last ones. A rollback names one of them.
pub const MAX_WAS_LIVE: usize = 50;

/// What is deployed. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentSpec {
    /// The service.
    pub service_name: ServiceName,
    /// Its version.
    pub service_version: ServiceVersion,
    /// The commit that the version was built from.
    pub git_commit_sha: CommitSha,
    /// The commit's author.
    pub git_author: Option<GitAuthor>,
    /// The job that built it.
    pub build_job_id: Option<JobId>,
    /// The job that tested it.
    pub test_job_id: Option<JobId>,
}

/// A step on the way: when it was taken, and the job that took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The job that deployed.
    pub job_id: JobId,
}

/// How a deployment was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// When.
    pub at: Timestamp,
    /// The version that took its place.
    pub to_version: ServiceVersion,
    /// Why.
    pub reason: ShortText,
}

/// Where a deployment stands, with what exists only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Moved here by its creation. Next: stage, fail.
    Pending,
    /// Moved here by a job that deployed it to staging. Next: promote, fail.
    Staged {
        /// When, and by which job.
        staging: Step,
    },
    /// Moved here by a job that deployed it to production, or by the rollback of a later deployment. Next: superseded by
    /// the promotion of another, rolled back.
    Live {
        /// When it was staged, and by which job.
        staging: Step,
        /// When it first went to production, and by which job.
        production: Step,
    },
    /// Moved here by the promotion of another. Next: live again, if a later one is rolled back to it.
    Superseded {
        /// When it was staged, and by which job.
        staging: Step,
        /// When it first went to production, and by which job.
        production: Step,
    },
    /// Moved here by a rollback to an earlier one. The end.
    RolledBack {
        /// When it was staged, and by which job.
        staging: Step,
        /// When it first went to production, and by which job.
        production: Step,
        /// What took its place, and why.
        rollback: Rollback,
    },
    /// Moved here by whoever gave it up before production. The end.
    Failed {
        /// When it was staged, and by which job, if it was.
        staging: Option<Step>,
        /// When it was given up.
        at: Timestamp,
        /// Why.
        reason: ShortText,
    },
}

/// One thing that happened to a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Where the deployment stood afterwards.
    pub status: DeploymentStatus,
    /// Who did it.
    pub by: String,
    /// The job that deployed, if one did.
    pub job_id: Option<JobId>,
    /// The other version: the one that took its place, or the one whose place it took.
    pub other_version: Option<ServiceVersion>,
    /// Why, if somebody gave a reason.
    pub reason: Option<ShortText>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub deployment_id: DeploymentId,
    /// What is deployed.
    pub spec: DeploymentSpec,
    /// Who created it.
    pub created_by: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: State,
    /// What happened to it, oldest first, the last [`MAX_HISTORY`] entries.
    pub history: Vec<HistoryEntry>,
    /// Rises with every write.
    pub revision: u64,
}

impl Deployment {
    /// A new deployment.
    pub fn create(
        deployment_id: DeploymentId,
        spec: DeploymentSpec,
        created_by: String,
        now: Timestamp,
    ) -> Self {
        Self {
            deployment_id,
            spec,
            created_at: now,
            state: State::Pending,
            history: vec![HistoryEntry {
                at: now,
                status: DeploymentStatus::Pending,
                by: created_by.clone(),
                job_id: None,
                other_version: None,
                reason: None,
            }],
            created_by,
            revision: 0,
        }
    }

    /// Where it stands, in one word.
    pub fn status(&self) -> DeploymentStatus {
        match &self.state {
            State::Pending => DeploymentStatus::Pending,
            State::Staged { .. } => DeploymentStatus::Staged,
            State::Live { .. } => DeploymentStatus::Live,
            State::Superseded { .. } => DeploymentStatus::Superseded,
            State::RolledBack { .. } => DeploymentStatus::RolledBack,
            State::Failed { .. } => DeploymentStatus::Failed,
        }
    }

    /// When it was staged, and by which job, if it was.
    pub fn staging(&self) -> Option<&Step> {
        match &self.state {
            State::Pending => None,
            State::Staged { staging }
            | State::Live { staging, .. }
            | State::Superseded { staging, .. }
            | State::RolledBack { staging, .. } => Some(staging),
            State::Failed { staging, .. } => staging.as_ref(),
        }
    }

    /// When it first went to production, and by which job, if it did.
    pub fn production(&self) -> Option<&Step> {
        match &self.state {
            State::Pending | State::Staged { .. } | State::Failed { .. } => None,
            State::Live { production, .. }
            | State::Superseded { production, .. }
            | State::RolledBack { production, .. } => Some(production),
        }
    }

    /// How it was rolled back, if it was.
    pub fn rollback(&self) -> Option<&Rollback> {
        match &self.state {
            State::RolledBack { rollback, .. } => Some(rollback),
            State::Pending
            | State::Staged { .. }
            | State::Live { .. }
            | State::Superseded { .. }
            | State::Failed { .. } => None,
        }
    }
}
