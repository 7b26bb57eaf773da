//! A job as it stands on the wire, and what an agent says about one.

use crate::check::{Check, Fault, check_range};
use crate::text::{
    AgentId, Invalid, JobId, JobType, PoolName, Tags, check_printable, checked_text, invalid,
};
use crate::{Cause, CommitSha, GitAuthor, GitRef, GitRepo, JobStatus, Priority, Timestamp};
use serde::{Deserialize, Serialize};

checked_text! {
    /// Where the customer keeps a log: an address of up to 300 characters without user, query or fragment, which
    /// could hold a credential.
    LogsUrl, check_logs_url, { max_length = 300, example = "s3://ci-logs/job-1.log" }
}

fn check_logs_url(text: &str) -> Result<(), Invalid> {
    const SCHEMES: [&str; 5] = ["https://", "s3://", "gs://", "azblob://", "file://"];
    check_printable(text, 1, 300)?;
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return invalid("must begin with https://, s3://, gs://, azblob:// or file://");
    }
    if text.contains(['?', '#', '@', '"', '<', '>']) || text.contains(char::is_whitespace) {
        return invalid("must not have a user, a query, a fragment or spaces");
    }
    Ok(())
}

/// A job: what to run, where it stands, and how its last attempt went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// The job's id.
    pub job_id: JobId,
    /// Which job of `.hybrid-ci.yml` to run.
    pub job_type: JobType,
    /// The pool whose agents may run it.
    pub pool_name: PoolName,
    /// Where it stands.
    pub status: JobStatus,
    /// How urgent it is.
    pub priority: Priority,
    /// The repository.
    pub git_repo: GitRepo,
    /// The branch or tag the commit was taken from.
    pub git_ref: Option<GitRef>,
    /// The commit to check out.
    pub git_commit_sha: CommitSha,
    /// The commit's author.
    pub git_author: Option<GitAuthor>,
    /// The user's own labels.
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub tags: Tags,
    /// A reference to a sealed specification, where there is one.
    pub spec_ref: Option<String>,
    /// The SHA-256 of the specification, in hexadecimal.
    pub spec_sha256: Option<String>,
    /// How long an attempt may run, from its start.
    pub timeout_seconds: u32,
    /// How many failures end the job.
    pub max_attempts: u32,
    /// The number of the last attempt; 0 before the first claim. It fences every write of an agent.
    pub attempt: u32,
    /// How many attempts failed since the last manual retry.
    pub failures: u32,
    /// How many attempts were lost since the last manual retry.
    pub losses: u32,
    /// Since when it waits, or waited.
    pub queued_at: Timestamp,
    /// From when on it may be claimed.
    pub available_at: Timestamp,
    /// When the last attempt was claimed.
    pub claimed_at: Option<Timestamp>,
    /// When the last attempt was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// The agent of the last attempt.
    pub claimed_by_agent: Option<AgentId>,
    /// When it goes back to the queue unless its agent is heard of. Known to the agent that claims; others read null.
    pub lease_expires_at: Option<Timestamp>,
    /// The exit code of the last attempt, once it has reported one.
    pub exit_code: Option<i32>,
    /// How long the last attempt ran, once it has reported that.
    pub duration_seconds: Option<f64>,
    /// Why the last attempt did not succeed, once it has ended.
    pub cause: Option<Cause>,
    /// Where the customer keeps the log of the last attempt.
    pub logs_url: Option<LogsUrl>,
    /// Whether somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// The id of the credential or person that enqueued it.
    pub created_by: String,
}

/// An answer with one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobResponse {
    /// The job.
    pub job: Job,
}

/// An agent asks for work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimRequest {
    /// The agent's pool; any other is refused. Default: the agent's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_name: Option<PoolName>,
    /// How many jobs at most, 1 to 10. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10))]
    pub max_jobs: Option<u32>,
}

impl Check for ClaimRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if let Some(max_jobs) = self.max_jobs {
            check_range(faults, "/max_jobs", max_jobs, (1, 10));
        }
    }
}

/// The work an agent is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimResponse {
    /// The first of `jobs`; null if there is nothing to do.
    pub job: Option<Job>,
    /// Every job that the agent now holds the lease of.
    pub jobs: Vec<Job>,
    /// How long to wait before the next claim; 0 if there may be more.
    pub retry_after_seconds: f64,
}

/// An agent starts a job that it claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartRequest {
    /// The attempt that the claim gave.
    pub attempt: u32,
}

impl Check for StartRequest {}

/// An agent reports how an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompleteRequest {
    /// The attempt that the claim gave.
    pub attempt: u32,
    /// The exit code: 0 is success, whatever else is a failure. -255 to 255; a signal's is 128 and its number.
    #[cfg_attr(feature = "openapi", schema(minimum = -255, maximum = 255))]
    pub exit_code: i32,
    /// How long the attempt ran, 0 to 604800.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 604_800))]
    pub duration_seconds: f64,
    /// Why it did not succeed: `EXIT_CODE` (the default with a code other than 0), `TIMEOUT`, `AGENT_ERROR`,
    /// `CANCELLED`, or `AGENT_LOST` if the agent had to give it up. Not with exit code 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Where the customer keeps the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_url: Option<LogsUrl>,
}

impl Check for CompleteRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(faults, "/exit_code", self.exit_code, (-255, 255));
        check_range(
            faults,
            "/duration_seconds",
            self.duration_seconds,
            (0.0, 604_800.0),
        );
        let wrong = match self.cause {
            Some(Cause::NotStarted) => Some("NOT_STARTED is the control plane's to say"),
            Some(_) if self.exit_code == 0 => Some("exit code 0 has no cause"),
            Some(_) | None => None,
        };
        if let Some(detail) = wrong {
            faults.push(Fault {
                pointer: "/cause".to_owned(),
                detail: detail.to_owned(),
            });
        }
    }
}

/// What became of a job that an agent reported on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompleteResponse {
    /// The job.
    pub job: Job,
    /// Whether it is in the queue again.
    pub retried: bool,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_result_with_everything_wrong_names_every_fault() {
        let request: CompleteRequest = serde_json::from_str(
            r#"{"attempt":1,"exit_code":900,"duration_seconds":-1,"cause":"not_started"}"#,
        )
        .unwrap();
        let mut faults = Vec::new();
        request.check(&mut faults);
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/exit_code", "/duration_seconds", "/cause"]);
    }

    #[test]
    fn log_addresses_that_could_hold_a_credential_are_refused() {
        for bad in [
            "https://a.example/x?sig=1",
            "https://u:p@a.example/x",
            "javascript:alert(1)",
            "s3://a b",
        ] {
            assert!(LogsUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(LogsUrl::parse("s3://bucket/job-1.log").is_ok());
    }
}
