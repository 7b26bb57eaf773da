//! The domain's things as they stand on the wire.

use domain::job::{AttemptRecord, Job, JobSpec};
use serde::Serialize;
use utoipa::ToSchema;
use wire::{AgentId, Cause, EnqueueRequest, LogsUrl, Timestamp};

/// A job.
///
/// `lease_expires_at` is when the lease of the agent ends that holds it. Only the agent that claims is told: it is kept
/// with the agent, and would cost everybody else one more read for what the next heartbeat changes.
pub fn job(job: &Job, lease_expires_at: Option<Timestamp>) -> wire::Job {
    wire::Job {
        lease_expires_at: lease_expires_at.filter(|_| job.holder().is_some()),
        ..job.view()
    }
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobList {
    /// The jobs. A page may have fewer than `limit`, even none, and still not be the last.
    pub jobs: Vec<wire::Job>,
    /// The cursor to the next page; null after the last.
    pub next_cursor: Option<String>,
}

impl JobList {
    /// A page with these jobs.
    pub fn new(jobs: &[Job], next_cursor: Option<String>) -> Self {
        Self {
            jobs: jobs.iter().map(|found| job(found, None)).collect(),
            next_cursor,
        }
    }
}

/// How one attempt of a job went.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Attempt {
    /// Its number.
    pub attempt: u32,
    /// The agent that held it; null if a person closed a job that nobody held.
    pub agent_id: Option<AgentId>,
    /// When it was claimed.
    pub claimed_at: Option<Timestamp>,
    /// When it was started, if it was.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Its exit code, if its agent reported one.
    pub exit_code: Option<i32>,
    /// How long it ran, if its agent reported that.
    pub duration_seconds: Option<f64>,
    /// Why it did not succeed; null if it did.
    pub cause: Option<Cause>,
    /// Where the customer keeps its log.
    pub logs_url: Option<LogsUrl>,
}

/// The attempts of a job that ended, oldest first.
pub fn attempts(job: &Job) -> Vec<Attempt> {
    job.history.iter().map(attempt).collect()
}

fn attempt(record: &AttemptRecord) -> Attempt {
    Attempt {
        attempt: record.attempt,
        agent_id: record.agent_id.clone(),
        claimed_at: record.claimed_at,
        started_at: record.started_at,
        ended_at: record.ended_at,
        exit_code: record.exit_code,
        duration_seconds: record.duration_seconds,
        cause: record.cause,
        logs_url: record.logs_url.clone(),
    }
}

/// What a request asks to have run.
pub fn job_spec(request: EnqueueRequest) -> JobSpec {
    JobSpec {
        job_type: request.job_type,
        pool_name: request.pool_name,
        git_repo: request.git_repo,
        git_ref: request.git_ref,
        git_commit_sha: request.git_commit_sha,
        git_author: request.git_author,
        tags: request.tags,
        spec_ref: request.spec_ref.map(|text| text.as_str().to_owned()),
        spec_sha256: request.spec_sha256.map(|text| text.as_str().to_owned()),
        timeout_seconds: request.timeout_seconds,
        max_attempts: request.max_attempts,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use domain::job::{Holder, JobEvent, Transition, transition};
    use wire::{JobId, JobStatus};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn queued() -> Job {
        let request: EnqueueRequest = serde_json::from_str(
            r#"{"job_type":"build","pool_name":"linux","git_repo":"https://git.example.com/a",
            "git_commit_sha":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}"#,
        )
        .unwrap();
        let (id, priority) = (JobId::new(NOW, [0; 10]), request.priority);
        Job::enqueue(id, job_spec(request), priority, "token:x".to_owned(), NOW)
    }

    fn after(before: &Job, event: &JobEvent) -> Job {
        // Late enough for a job whose back-off has to pass.
        let now = before.available_at.max(NOW.plus_seconds(20));
        match transition(before, event, now).unwrap() {
            Transition::Apply(change) => change.into_after(),
            Transition::AlreadyDone => before.clone(),
        }
    }

    fn agent() -> AgentId {
        AgentId::new(NOW, [1; 10])
    }

    fn claimed(job: &Job) -> Job {
        let holder = Holder {
            agent_id: agent(),
            epoch: 1,
        };
        after(job, &JobEvent::Claim { holder })
    }

    fn failed(job: &Job) -> Job {
        let complete = JobEvent::Complete {
            agent_id: agent(),
            attempt: job.attempt,
            exit_code: 3,
            duration_seconds: 1.5,
            cause: None,
            logs_url: None,
        };
        after(job, &complete)
    }

    #[test]
    fn a_job_that_nobody_claimed_shows_nothing_of_an_attempt() {
        let shown = job(&queued(), Some(NOW));
        assert_eq!((shown.attempt, shown.claimed_at), (0, None));
        assert_eq!((shown.exit_code, shown.cause), (None, None));
        assert_eq!(shown.lease_expires_at, None);
    }

    #[test]
    fn a_failed_attempt_shows_until_the_next_claim() {
        let once = failed(&claimed(&queued()));
        let shown = job(&once, None);
        assert_eq!(
            (shown.status, shown.exit_code),
            (JobStatus::Queued, Some(3))
        );
        assert_eq!(shown.cause, Some(Cause::ExitCode));
        assert_eq!(shown.claimed_by_agent, Some(agent()));

        let lease = NOW.plus_seconds(30);
        let again = job(&claimed(&once), Some(lease));
        assert_eq!((again.attempt, again.exit_code), (2, None));
        assert_eq!((again.cause, again.duration_seconds), (None, None));
        assert_eq!(again.lease_expires_at, Some(lease));
        assert_eq!(attempts(&claimed(&once)).len(), 1);
    }
}
