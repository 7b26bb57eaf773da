//! What more than one function does with jobs: the one way of putting them in line, and the one map from what became of
//! a change to what its caller is told.

use crate::{Action, Api, Audited, Caller, Change, KnownAgent, OrProblem, Resource, Room, Subject};
use domain::job::{Job, JobChange, JobEvent, TransitionError};
use http::StatusCode;
use sha2::{Digest, Sha256};
use store::{Enqueued, JobOrigin, JobOutcome, NewJob, TenantScope, end_of};
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
        // Given back if the job is none that is new.
        let room = self.take_room(&caller.scope, Room::Job).await?;
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
            origin: Some(JobOrigin {
                request_id: Some(web::request_id()).filter(|id| !id.is_empty()),
                address: web::client_address().map(|address| address.to_string()),
                credential_id: caller.session_id().map(ToString::to_string),
            }),
        };
        match tenant.enqueue_job(new, now, &write_id).await.or_problem()? {
            Enqueued::Created(job) => {
                room.take_up();
                Ok((StatusCode::CREATED, job))
            }
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
    /// As [`change_job_by_hand`](Self::change_job_by_hand), and 401 if the session has ended.
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
        let outcome = self
            .change_job(&agent.scope, operation, job_id, event)
            .await?;
        Ok(match settled(outcome)? {
            Settled::Changed(change) => change.into_after(),
            Settled::AlreadyDone(job) => *job,
        })
    }

    async fn change_job(
        &self,
        scope: &TenantScope,
        operation: &'static str,
        job_id: &JobId,
        event: &JobEvent,
    ) -> Result<JobOutcome, Problem> {
        self.store
            .tenant(scope)
            .change_job(operation, job_id, event, self.now(), &self.write_id())
            .await
            .or_problem()
    }

    /// What a person's event makes of a job, with a record of it.
    ///
    /// # Errors
    /// As [`JobOutcome`] and the store's failures are mapped.
    pub async fn change_job_by_hand(
        &self,
        caller: &Caller,
        (action, operation): (Action, &'static str),
        job_id: &JobId,
        event: &JobEvent,
    ) -> Result<Job, Problem> {
        web::note_job(job_id);
        let mut subject = Subject::from((action, Resource::job(job_id)));
        if action == Action::JobRetry {
            // A retry takes the job's end away, perhaps before it was harvested: the record of the retry tells of it.
            let tenant = self.store.tenant(&caller.scope);
            let seen = tenant.job(job_id).await.or_problem()?;
            if let Some(job) = seen.filter(|job| job.ended_at().is_some()) {
                subject = subject.with(end_undone(&job));
            }
        }
        let change = async {
            let outcome = self
                .change_job(&caller.scope, operation, job_id, event)
                .await?;
            let change = match settled(outcome)? {
                Settled::Changed(change) => change,
                Settled::AlreadyDone(job) => return Ok(Audited::Unchanged(*job)),
            };
            let (before, after) = (change.before(), change.after());
            let said = match action {
                Action::JobRetry => end_undone(before),
                Action::JobReprioritise => Change::new().with("priority", after.priority),
                _ => Change::new().with("status", after.status()),
            };
            let said = said.before(&before.view()).after(&after.view());
            Ok(Audited::Changed(change.into_after(), said))
        };
        self.audited(caller, subject, change).await
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

/// What is known of a job whose end a retry takes away.
fn end_undone(job: &Job) -> Change {
    Change::new().before(&job.view()).with_all(end_of(job))
}

/// An event that was not refused.
enum Settled {
    Changed(Box<JobChange>),
    AlreadyDone(Box<Job>),
}

fn settled(outcome: JobOutcome) -> Result<Settled, Problem> {
    let (refusal, job) = match outcome {
        JobOutcome::Changed(change) => return Ok(Settled::Changed(change)),
        JobOutcome::AlreadyDone(job) => return Ok(Settled::AlreadyDone(Box::new(job))),
        JobOutcome::Refused(refusal, job) => (refusal, job),
        JobOutcome::Missing => return Err(Problem::not_found("job")),
        JobOutcome::Contended => {
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
