//! What may happen to a job. Only [`transition`] makes a [`JobChange`], and only a change can be written.

use super::{AttemptRecord, Holder, Job, JobState, MAX_HISTORY, MAX_LOSSES, back_off_seconds};
use crate::timing::START_WITHIN_SECONDS;
use wire::{AgentId, Cause, JobStatus, LogsUrl, Priority, Timestamp};

/// What happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// An agent of the job's pool takes it.
    Claim {
        /// The agent, and the epoch of its lease.
        holder: Holder,
    },
    /// The agent begins the attempt.
    Start {
        /// The agent.
        agent_id: AgentId,
        /// The attempt its claim gave.
        attempt: u32,
    },
    /// The agent reports how the attempt ended.
    Complete {
        /// The agent.
        agent_id: AgentId,
        /// The attempt its claim gave.
        attempt: u32,
        /// The exit code; 0 is success.
        exit_code: i32,
        /// How long it ran, in seconds.
        duration_seconds: f64,
        /// Why it did not succeed. None with a code other than 0 means `EXIT_CODE`.
        cause: Option<Cause>,
        /// Where the log is.
        logs_url: Option<LogsUrl>,
    },
    /// The control plane finds that the attempt's agent is gone, or never started it.
    Lose {
        /// The attempt that was seen.
        attempt: u32,
        /// What was lost.
        loss: Loss,
    },
    /// The control plane finds that the attempt ran too long and its agent did not stop it.
    TimeOut {
        /// The attempt that was seen.
        attempt: u32,
    },
    /// Somebody does not want it any more.
    Cancel,
    /// Somebody changes how urgent it is.
    Reprioritise {
        /// The new priority.
        priority: Priority,
    },
    /// Somebody wants it run again after it ended.
    Retry,
    /// A person closes it by hand.
    CloseByHand {
        /// Whether it counts as done.
        succeeded: bool,
    },
}

/// The ways of losing an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The agent was silent for a lease, gave the attempt up, or deregistered.
    Agent,
    /// The agent did not start it in time.
    Start,
}

/// What an event does to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    /// This has to be written.
    Apply(Box<JobChange>),
    /// It had happened before: a repeated request, which is answered like the first.
    AlreadyDone,
}

/// A change of a job that the rules allow.
///
/// Invariant: made by [`transition`] alone.
#[derive(Debug, Clone, PartialEq)]
pub struct JobChange {
    before: Job,
    after: Job,
}

impl JobChange {
    /// The job as it was seen. The change holds only if it still is so.
    pub fn before(&self) -> &Job {
        &self.before
    }

    /// The job as it will be.
    pub fn after(&self) -> &Job {
        &self.after
    }

    /// The job as it will be.
    pub fn into_after(self) -> Job {
        self.after
    }
}

/// Why an event does nothing to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// The attempt is not this agent's, or not any more.
    #[error("this attempt is not the agent's, or not any more")]
    Stale,
    /// A job in this status does not do that.
    #[error("not possible while the job is {0}")]
    Illegal(JobStatus),
    /// It is too early: the job is not available yet, or its deadline has not passed.
    #[error("too early")]
    TooEarly,
}

/// What `event` at `now` does to `job`.
///
/// # Errors
/// [`TransitionError`], and then nothing changes.
pub fn transition(
    job: &Job,
    event: &JobEvent,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    match event {
        JobEvent::Claim { holder } => claim(job, holder, now),
        JobEvent::Start { agent_id, attempt } => start(job, agent_id, *attempt, now),
        JobEvent::Complete {
            agent_id,
            attempt,
            exit_code,
            duration_seconds,
            cause,
            logs_url,
        } => {
            let record = AttemptRecord {
                attempt: *attempt,
                agent_id: Some(agent_id.clone()),
                claimed_at: job.claimed_at(),
                started_at: job.started_at(),
                ended_at: now,
                exit_code: Some(*exit_code),
                duration_seconds: Some(*duration_seconds),
                cause: (*exit_code != 0).then(|| cause.unwrap_or(Cause::ExitCode)),
                logs_url: logs_url.clone(),
            };
            complete(job, record, now)
        }
        JobEvent::Lose { attempt, loss } => lose(job, *attempt, *loss, now),
        JobEvent::TimeOut { attempt } => time_out(job, *attempt, now),
        JobEvent::Cancel => cancel(job, now),
        JobEvent::Reprioritise { priority } => reprioritise(job, *priority),
        JobEvent::Retry => retry(job, now),
        JobEvent::CloseByHand { succeeded } => close_by_hand(job, *succeeded, now),
    }
}

fn claim(job: &Job, holder: &Holder, now: Timestamp) -> Result<Transition, TransitionError> {
    match &job.state {
        JobState::Queued if job.available_at > now => Err(TransitionError::TooEarly),
        JobState::Queued => Ok(apply(job, |after| {
            after.attempt += 1;
            after.state = JobState::Claimed {
                holder: holder.clone(),
                claimed_at: now,
            };
        })),
        JobState::Claimed { .. }
        | JobState::Running { .. }
        | JobState::Completed { .. }
        | JobState::Failed { .. }
        | JobState::DeadLettered { .. }
        | JobState::Cancelled { .. } => Err(TransitionError::Illegal(job.status())),
    }
}

fn start(
    job: &Job,
    agent_id: &AgentId,
    attempt: u32,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    if attempt != job.attempt
        || job
            .holder()
            .is_none_or(|holder| holder.agent_id != *agent_id)
    {
        return Err(TransitionError::Stale);
    }
    match &job.state {
        JobState::Claimed { holder, claimed_at } => Ok(apply(job, |after| {
            after.state = JobState::Running {
                holder: holder.clone(),
                claimed_at: *claimed_at,
                started_at: now,
            };
        })),
        JobState::Running { .. } => Ok(Transition::AlreadyDone),
        JobState::Queued
        | JobState::Completed { .. }
        | JobState::Failed { .. }
        | JobState::DeadLettered { .. }
        | JobState::Cancelled { .. } => Err(TransitionError::Stale),
    }
}

fn complete(
    job: &Job,
    record: AttemptRecord,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    if record.attempt != job.attempt || record.attempt == 0 {
        return Err(TransitionError::Stale);
    }
    match &job.state {
        JobState::Claimed { holder, .. } | JobState::Running { holder, .. } => {
            if record.agent_id.as_ref() != Some(&holder.agent_id) {
                return Err(TransitionError::Stale);
            }
            Ok(apply(job, |after| end_attempt(after, record, now)))
        }
        JobState::Queued => match last_attempt(job, &record)? {
            // Giving up what was lost already changes nothing.
            Ended::Lost(_) if record.cause.is_some_and(|cause| !counts_as_failure(cause)) => {
                Ok(Transition::AlreadyDone)
            }
            // Requeued after a loss, and nobody claimed it since: the late result is still the only one, and takes the
            // place of the loss, or of the time-out that nobody reported.
            Ended::Lost(lost) => {
                let record = AttemptRecord {
                    claimed_at: lost.claimed_at,
                    started_at: lost.started_at,
                    ..record
                };
                let counted = lost.cause.is_some_and(counts_as_failure);
                Ok(apply(job, |after| {
                    after.history.pop();
                    if counted {
                        after.failures = after.failures.saturating_sub(1);
                    } else {
                        after.losses = after.losses.saturating_sub(1);
                    }
                    end_attempt(after, record, now);
                }))
            }
            Ended::Reported => Ok(Transition::AlreadyDone),
        },
        JobState::Completed { .. }
        | JobState::Failed { .. }
        | JobState::DeadLettered { .. }
        | JobState::Cancelled { .. } => match last_attempt(job, &record)? {
            Ended::Reported => Ok(Transition::AlreadyDone),
            Ended::Lost(_) => Err(TransitionError::Stale),
        },
    }
}

/// How the attempt that is reported on had ended already.
enum Ended<'a> {
    Lost(&'a AttemptRecord),
    Reported,
}

fn last_attempt<'a>(job: &'a Job, record: &AttemptRecord) -> Result<Ended<'a>, TransitionError> {
    match job.history.last() {
        Some(last) if last.attempt == record.attempt && last.agent_id == record.agent_id => {
            // A loss that the agent itself reported has an exit code: that is a report.
            if last.exit_code.is_none() {
                Ok(Ended::Lost(last))
            } else {
                Ok(Ended::Reported)
            }
        }
        Some(_) | None => Err(TransitionError::Stale),
    }
}

fn lose(
    job: &Job,
    attempt: u32,
    loss: Loss,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    if attempt != job.attempt {
        return Err(TransitionError::Stale);
    }
    let cause = match (&job.state, loss) {
        (JobState::Claimed { claimed_at, .. }, Loss::Start) => {
            if now < claimed_at.plus_seconds(START_WITHIN_SECONDS) {
                return Err(TransitionError::TooEarly);
            }
            Cause::NotStarted
        }
        (JobState::Claimed { .. } | JobState::Running { .. }, Loss::Agent) => Cause::AgentLost,
        (JobState::Running { .. }, Loss::Start)
        | (
            JobState::Queued
            | JobState::Completed { .. }
            | JobState::Failed { .. }
            | JobState::DeadLettered { .. }
            | JobState::Cancelled { .. },
            Loss::Agent | Loss::Start,
        ) => return Err(TransitionError::Stale),
    };
    let record = unreported(job, cause, now);
    Ok(apply(job, |after| end_attempt(after, record, now)))
}

fn time_out(job: &Job, attempt: u32, now: Timestamp) -> Result<Transition, TransitionError> {
    if attempt != job.attempt || !matches!(job.state, JobState::Running { .. }) {
        return Err(TransitionError::Stale);
    }
    if job.deadline().is_none_or(|deadline| now < deadline) {
        return Err(TransitionError::TooEarly);
    }
    let record = unreported(job, Cause::Timeout, now);
    Ok(apply(job, |after| end_attempt(after, record, now)))
}

fn cancel(job: &Job, now: Timestamp) -> Result<Transition, TransitionError> {
    match &job.state {
        JobState::Queued => Ok(apply(job, |after| {
            after.cancel_requested = true;
            after.state = JobState::Cancelled { ended_at: now };
        })),
        JobState::Claimed { .. } | JobState::Running { .. } if job.cancel_requested => {
            Ok(Transition::AlreadyDone)
        }
        JobState::Claimed { .. } | JobState::Running { .. } => {
            Ok(apply(job, |after| after.cancel_requested = true))
        }
        JobState::Cancelled { .. } => Ok(Transition::AlreadyDone),
        JobState::Completed { .. } | JobState::Failed { .. } | JobState::DeadLettered { .. } => {
            Err(TransitionError::Illegal(job.status()))
        }
    }
}

fn reprioritise(job: &Job, priority: Priority) -> Result<Transition, TransitionError> {
    match &job.state {
        JobState::Queued if job.priority == priority => Ok(Transition::AlreadyDone),
        JobState::Queued => Ok(apply(job, |after| after.priority = priority)),
        JobState::Claimed { .. }
        | JobState::Running { .. }
        | JobState::Completed { .. }
        | JobState::Failed { .. }
        | JobState::DeadLettered { .. }
        | JobState::Cancelled { .. } => Err(TransitionError::Illegal(job.status())),
    }
}

fn retry(job: &Job, now: Timestamp) -> Result<Transition, TransitionError> {
    match &job.state {
        JobState::Failed { .. } | JobState::DeadLettered { .. } | JobState::Cancelled { .. } => {
            Ok(apply(job, |after| {
                after.failures = 0;
                after.losses = 0;
                after.cancel_requested = false;
                after.queued_at = now;
                after.available_at = now;
                after.state = JobState::Queued;
            }))
        }
        JobState::Queued
        | JobState::Claimed { .. }
        | JobState::Running { .. }
        | JobState::Completed { .. } => Err(TransitionError::Illegal(job.status())),
    }
}

fn close_by_hand(
    job: &Job,
    succeeded: bool,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    match &job.state {
        JobState::Queued | JobState::Claimed { .. } | JobState::Running { .. } => {
            Ok(apply(job, |after| {
                if job.holder().is_some() {
                    remember(after, unreported(job, Cause::Cancelled, now));
                }
                after.state = if succeeded {
                    JobState::Completed { ended_at: now }
                } else {
                    JobState::Failed { ended_at: now }
                };
            }))
        }
        JobState::Completed { .. } if succeeded => Ok(Transition::AlreadyDone),
        JobState::Failed { .. } if !succeeded => Ok(Transition::AlreadyDone),
        JobState::Completed { .. }
        | JobState::Failed { .. }
        | JobState::DeadLettered { .. }
        | JobState::Cancelled { .. } => Err(TransitionError::Illegal(job.status())),
    }
}

fn apply(before: &Job, change: impl FnOnce(&mut Job)) -> Transition {
    let mut after = before.clone();
    change(&mut after);
    after.revision += 1;
    Transition::Apply(Box::new(JobChange {
        before: before.clone(),
        after,
    }))
}

/// Moves the job to where the end of its attempt leads, and remembers the attempt.
fn end_attempt(job: &mut Job, record: AttemptRecord, now: Timestamp) {
    let cause = record.cause;
    remember(job, record);
    job.state = match cause {
        None => JobState::Completed { ended_at: now },
        Some(cause) => {
            let (budget_spent, available_at) = if counts_as_failure(cause) {
                job.failures += 1;
                let back_off = now.plus_seconds(back_off_seconds(job.failures));
                (job.failures >= job.spec.max_attempts, back_off)
            } else {
                // An agent that says it was cancelled when nobody asked for that gave the job up.
                job.losses += u32::from(!(job.cancel_requested && cause == Cause::Cancelled));
                (job.losses >= MAX_LOSSES, job.available_at)
            };
            let single = job.spec.max_attempts == 1 && job.failures >= 1;
            if job.cancel_requested {
                JobState::Cancelled { ended_at: now }
            } else if !budget_spent {
                job.available_at = available_at;
                JobState::Queued
            } else if single {
                JobState::Failed { ended_at: now }
            } else {
                JobState::DeadLettered { ended_at: now }
            }
        }
    };
}

/// Whether an end for this cause counts as a failure of the job; otherwise the attempt was lost.
fn counts_as_failure(cause: Cause) -> bool {
    match cause {
        Cause::ExitCode | Cause::Timeout | Cause::AgentError => true,
        Cause::AgentLost | Cause::NotStarted | Cause::Cancelled => false,
    }
}

fn remember(job: &mut Job, record: AttemptRecord) {
    job.history.push(record);
    let surplus = job.history.len().saturating_sub(MAX_HISTORY);
    job.history.drain(..surplus);
}

/// The record of an attempt whose agent said nothing.
fn unreported(job: &Job, cause: Cause, now: Timestamp) -> AttemptRecord {
    AttemptRecord {
        attempt: job.attempt,
        agent_id: job.holder().map(|holder| holder.agent_id.clone()),
        claimed_at: job.claimed_at(),
        started_at: job.started_at(),
        ended_at: now,
        exit_code: None,
        duration_seconds: None,
        cause: Some(cause),
        logs_url: None,
    }
}
