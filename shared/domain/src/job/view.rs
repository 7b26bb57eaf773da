//! A job as it stands on the wire.

use super::Job;
use wire::JobStatus;

impl Job {
    /// The job as everybody sees it: without the end of a lease, which only the agent that claims is told.
    pub fn view(&self) -> wire::Job {
        let last = self.history.last();
        // A live attempt has reported nothing yet; what the one before it reported is in the history.
        let ended = last.filter(|_| self.holder().is_none());
        let reported = ended.filter(|last| last.attempt == self.attempt);
        let spec = self.spec.clone();
        wire::Job {
            job_id: self.job_id.clone(),
            job_type: spec.job_type,
            pool_name: spec.pool_name,
            status: self.status(),
            priority: self.priority,
            git_repo: spec.git_repo,
            git_ref: spec.git_ref,
            git_commit_sha: spec.git_commit_sha,
            git_author: spec.git_author,
            tags: spec.tags,
            spec_ref: spec.spec_ref,
            spec_sha256: spec.spec_sha256,
            timeout_seconds: spec.timeout_seconds,
            max_attempts: spec.max_attempts,
            attempt: self.attempt,
            failures: self.failures,
            losses: self.losses,
            queued_at: self.queued_at,
            available_at: self.available_at,
            claimed_at: self
                .claimed_at()
                .or_else(|| reported.and_then(|last| last.claimed_at)),
            started_at: self
                .started_at()
                .or_else(|| reported.and_then(|last| last.started_at)),
            completed_at: self.ended_at(),
            claimed_by_agent: self
                .holder()
                .map(|holder| holder.agent_id.clone())
                .or_else(|| reported.and_then(|last| last.agent_id.clone())),
            lease_expires_at: None,
            exit_code: reported.and_then(|last| last.exit_code),
            duration_seconds: reported.and_then(|last| last.duration_seconds),
            cause: reported
                .and_then(|last| last.cause)
                .filter(|_| self.status() != JobStatus::Completed),
            logs_url: reported.and_then(|last| last.logs_url.clone()),
            cancel_requested: self.cancel_requested,
            created_by: self.created_by.clone(),
        }
    }
}
