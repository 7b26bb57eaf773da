//! What more than one function does with jobs: the one way of putting them in line, and the one map from what became of
//! a change to what its caller is told.

use crate::{Api, Caller, KnownAgent, OrProblem};
use domain::job::{Job, JobEvent, TransitionError};
use http::StatusCode;
use sha2::{Digest, Sha256};
use store::{Enqueued, JobOutcome, NewJob, TenantScope};
use web::{IdempotencyKey, Problem, ProblemCode};
use wire::{EnqueueRequest, JobId, Timestamp};

/// The id of a job that is to be, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewId {
    /// Made up for this request: the same request again is another job.
    Fresh(JobId),
    /// Made from an idempotency key: the same request again is the same job.
    OfKey(JobId),
}

impl NewId {
    /// The id of one job.
    pub fn one(api: &Api, caller: &Caller, key: Option<&IdempotencyKey>, now: Timestamp) -> Self {
        match key {
            Some(key) => Self::OfKey(NewJob::id_for_key(caller.tenant(), key.as_str())),
            None => Self::Fresh(JobId::new(now, api.entropy.bytes())),
        }
    }

    /// The ids of the jobs of a batch. They ascend, because jobs that are enqueued in the same millisecond are claimed
    /// in the order of their ids.
    pub fn batch(
        api: &Api,
        caller: &Caller,
        key: Option<&IdempotencyKey>,
        now: Timestamp,
        count: u16,
    ) -> Vec<Self> {
        if let Some(key) = key {
            return (0..count)
                .map(|place| NewJob::id_in_batch(caller.tenant(), key.as_str(), place))
                .map(Self::OfKey)
                .collect();
        }
        let mut ids: Vec<_> = (0..count)
            .map(|_| JobId::new(now, api.entropy.bytes()))
            .collect();
        ids.sort_unstable();
        ids.into_iter().map(Self::Fresh).collect()
    }
}

impl Api {
    /// Puts a job in line: 201 with a new one, 200 with the one that the same request with the same key made before.
    ///
    /// # Errors
    /// 409 if the idempotency key came with another request, and what the store's failures are mapped to.
    pub async fn enqueue_job(
        &self,
        caller: &Caller,
        id: NewId,
        request: EnqueueRequest,
        now: Timestamp,
    ) -> Result<(StatusCode, Job), Problem> {
        let (job_id, request_sha256) = match id {
            NewId::Fresh(job_id) => (job_id, None),
            NewId::OfKey(job_id) => (job_id, Some(digest(&request)?)),
        };
        web::note_job(&job_id);
        let tenant = self.store.tenant(&caller.scope);
        let write_id = self.write_id();
        let pool = tenant
            .ensure_pool(&request.pool_name, now, &write_id)
            .await
            .or_problem()?;
        let priority = request.priority;
        let spec = web::view::job_spec(request);
        let new = NewJob {
            job: Job::enqueue(job_id, spec, priority, caller.created_by(), now),
            ready_shards: pool.ready_shards,
            request_sha256,
        };
        match tenant.enqueue_job(new, now, &write_id).await.or_problem()? {
            Enqueued::Created(job) => Ok((StatusCode::CREATED, job)),
            Enqueued::Existing(job) => Ok((StatusCode::OK, job)),
            Enqueued::Conflict => Err(Problem::conflict(
                ProblemCode::IdempotencyConflict,
                "this `Idempotency-Key` came with another request before",
            )),
        }
    }

    /// What an agent's report makes of a job. While the agent holds the job, the write proves that its session is good; if
    /// it does not, the session is verified before anything is told.
    ///
    /// # Errors
    /// As [`change_job`](Self::change_job), and 401 if the session has ended.
    pub async fn change_held_job(
        &self,
        agent: &KnownAgent,
        operation: &'static str,
        job_id: &JobId,
        event: &JobEvent,
    ) -> Result<Job, Problem> {
        web::note_job(job_id);
        let changed = self
            .store
            .tenant(agent.scope())
            .change_held_job(
                operation,
                agent.agent_id(),
                (job_id, event),
                self.now(),
                &self.write_id(),
            )
            .await
            .or_problem()?;
        if let Some(job) = changed {
            return Ok(job);
        }
        let agent = agent.confirm(self).await?;
        self.change_job(&agent.scope, operation, job_id, event)
            .await
    }

    /// What the event makes of the job.
    ///
    /// # Errors
    /// As [`JobOutcome`] and the store's failures are mapped.
    pub async fn change_job(
        &self,
        scope: &TenantScope,
        operation: &'static str,
        job_id: &JobId,
        event: &JobEvent,
    ) -> Result<Job, Problem> {
        web::note_job(job_id);
        self.store
            .tenant(scope)
            .change_job(operation, job_id, event, self.now(), &self.write_id())
            .await
            .or_problem()?
            .or_problem()
    }
}

/// The digest of a request as it was understood: defaults filled in, fields and labels in one order, so that a repeated
/// request may be spelt differently.
fn digest(request: &EnqueueRequest) -> Result<[u8; 32], Problem> {
    let canonical = serde_json::to_vec(request).map_err(|error| {
        tracing::error!(%error, "a request could not be written down");
        Problem::internal()
    })?;
    Ok(Sha256::digest(canonical).into())
}

impl OrProblem<Job> for JobOutcome {
    fn or_problem(self) -> Result<Job, Problem> {
        let (refusal, job) = match self {
            Self::Changed(job) | Self::AlreadyDone(job) => return Ok(job),
            Self::Refused(refusal, job) => (refusal, job),
            Self::Missing => return Err(Problem::not_found("job")),
            Self::Contended => {
                return Err(Problem::new(
                    ProblemCode::Contended,
                    "others kept changing the job; nothing was changed",
                )
                .retry_after(1));
            }
        };
        Err(match refusal {
            TransitionError::Stale => Problem::conflict(
                ProblemCode::StaleAttempt,
                format!(
                    "this attempt is not the agent's, or not any more; the job is {} at attempt {}",
                    job.status(),
                    job.attempt
                ),
            ),
            TransitionError::Illegal(status) => Problem::conflict(
                ProblemCode::IllegalTransition,
                format!("not possible while the job is {status}"),
            ),
            TransitionError::TooEarly => Problem::conflict(
                ProblemCode::IllegalTransition,
                format!("too early: the job is available from {}", job.available_at),
            ),
        })
    }
}
