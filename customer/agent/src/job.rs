//! One attempt of one job, from the claim to its result in the outbox.

use crate::agent::Context;
use crate::backoff::{Backoff, random};
use crate::checkout::Checkout;
use crate::client::CallError;
use crate::config::{Config, logs_url};
use crate::directories::remove_tree;
use crate::environment::Secrets;
use crate::event::{Event, Observer};
use crate::git::Git;
use crate::holdings::{Control, Stop, Verdict};
use crate::job_log::JobLog;
use crate::lease::Moment;
use crate::outbox::Entry;
use crate::process::Limits;
use crate::redact::Redactor;
use crate::session::Session;
use crate::spec::{SPEC_FILE, Spec};
use crate::steps::run_steps;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::{Cause, CompleteRequest, Job, LogsUrl, StartRequest};

/// How an attempt ended other than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A step ended with that exit code, which is not 0.
    Exited(i32),
    /// Its time was up; says where it was then.
    TimedOut(String),
    /// It could not be run; says what to mend.
    AgentError(String),
    /// It had to stop.
    Stopped(Stop),
}

/// What a running job needs of the agent around it.
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a Config,
    pub(crate) control: &'a Control,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) token: &'a SecretString,
}

/// Hides a job's secrets, and what the agent itself keeps secret.
pub(crate) fn secrets_redactor(
    config: &Config,
    token: &SecretString,
    secrets: &Secrets,
) -> Redactor {
    let own = config.identity.secret().into_iter().chain([token]);
    Redactor::new(
        own.map(ExposeSecret::expose_secret)
            .chain(secrets.values().map(ExposeSecret::expose_secret)),
    )
}

/// Starts, runs and reports a job that was claimed by a call sent at that moment.
pub(crate) async fn run_job(
    context: Arc<Context>,
    session: Arc<Session>,
    job: Job,
    control: Control,
    claimed: Moment,
) {
    let started = Instant::now();
    let held = control.job.clone();
    let cancelled = match start(&context, &session, &control, claimed).await {
        Ok(job) => job.cancel_requested,
        Err(reason) => {
            control.forget();
            return context.observe(&Event::JobAbandoned { job: held, reason });
        }
    };
    let redactor = secrets_redactor(&context.config, &session.token, &Secrets::new());
    let limit = context.config.log_limit_bytes;
    let directory = &context.directories.logs;
    let log = JobLog::create(
        directory,
        held.clone(),
        limit,
        redactor,
        context.observer.clone(),
    );
    let (outcome, log) = match log {
        Ok(mut log) => {
            context.observe(&Event::JobStarted {
                job: held,
                log: log.path().to_owned(),
            });
            let outcome = if cancelled {
                Err(Outcome::Stopped(Stop::Cancelled))
            } else {
                execute(&context, &session, &job, &control, started, &mut log).await
            };
            (outcome, Some(log))
        }
        Err(error) => {
            let message = format!("cannot write a log in {}: {error}", directory.display());
            context.warn(message.clone());
            (Err(Outcome::AgentError(message)), None)
        }
    };
    report(
        &context,
        &session,
        &control,
        outcome,
        log,
        started.elapsed(),
    )
    .await;
}

/// Gets the control plane's word that the job runs now. A job that has not got it in time is somebody else's.
async fn start(
    context: &Context,
    session: &Session,
    control: &Control,
    claimed: Moment,
) -> Result<Job, String> {
    let last = claimed.plus(session.start_within);
    let request = StartRequest {
        attempt: control.job.attempt,
    };
    let mut backoff = Backoff::default();
    let mut stop = control.stop.clone();
    loop {
        match control.must_stop() {
            None | Some(Stop::Cancelled) => {}
            Some(reason) => return Err(abandoned(reason).to_owned()),
        }
        let left = Moment::now().until(last);
        if left.is_zero() {
            return Err("it could not be started in time".to_owned());
        }
        let error = match context
            .client
            .start(&session.token, &control.job.job_id, &request)
            .await
        {
            Ok(answer) => return Ok(answer.job),
            Err(error) => error,
        };
        // A credential may be refused for a moment when the session is new.
        let is_final = match error {
            CallError::Unauthorized => session.check(&error),
            _ => !error.is_transient(),
        };
        if is_final {
            return Err(format!("its start was refused: {error}"));
        }
        let wait = backoff.next(error.retry_after(), random()).min(left);
        let urgent = stop.wait_for(|reason| reason.is_some_and(|reason| reason > Stop::Cancelled));
        let _ = tokio::time::timeout(wait, urgent).await;
    }
}

/// Runs a started job: checkout, specification, steps.
async fn execute(
    context: &Context,
    session: &Session,
    job: &Job,
    control: &Control,
    started: Instant,
    log: &mut JobLog,
) -> Result<(), Outcome> {
    let limits = Limits {
        slot: &control.slot,
        lease: control.holdings.lease(),
        stop: &control.stop,
        deadline: started + Duration::from_secs(u64::from(job.timeout_seconds)),
        grace: context.config.stop_grace,
    };
    if let Some(reason) = control.must_stop() {
        return Err(Outcome::Stopped(reason));
    }
    log.note(&format!(
        "job {} attempt {}: `{}` of {} at {}",
        job.job_id, control.job.attempt, job.job_type, job.git_repo, job.git_commit_sha
    ));
    let mut git = Git::find(&context.config.environment).map_err(Outcome::AgentError)?;
    git.prepare_ssh(limits).await?;
    let target = context
        .directories
        .jobs
        .join(format!("{}-{}", job.job_id, control.job.attempt));
    let checkout = Checkout {
        git: &git,
        limits,
        repo: &job.git_repo,
        sha: &job.git_commit_sha,
        mirrors: &context.directories.mirrors,
        target: &target,
    };
    let around = Surroundings {
        config: &context.config,
        control,
        observer: &*context.observer,
        token: &session.token,
    };
    let outcome = async {
        checkout.make(&context.mirrors, control, log).await?;
        let text = checkout.read_spec().await?;
        let spec = Spec::parse(&text).map_err(|error| {
            Outcome::AgentError(format!("{SPEC_FILE} cannot be used:\n{error}"))
        })?;
        let Some(spec) = spec.job(&job.job_type) else {
            let known: Vec<_> = spec.jobs.keys().map(wire::JobType::as_str).collect();
            return Err(Outcome::AgentError(format!(
                "{SPEC_FILE} has no job `{}`; it has: {}",
                job.job_type,
                known.join(", ")
            )));
        };
        run_steps(&around, spec, &target, limits, log).await
    }
    .await;
    let removed =
        tokio::task::spawn_blocking(move || remove_tree(&target).map_err(|error| (target, error)))
            .await;
    if let Ok(Err((target, error))) = removed {
        context.warn(format!(
            "the working directory {} cannot be removed: {error}",
            target.display()
        ));
    }
    outcome
}

/// Writes the end of the log, and the result to the outbox unless the job is not the agent's any more.
async fn report(
    context: &Context,
    session: &Session,
    control: &Control,
    outcome: Result<(), Outcome>,
    mut log: Option<JobLog>,
    duration: Duration,
) {
    let mut note = |text: &str| {
        if let Some(log) = &mut log {
            log.note(text);
        }
    };
    let (exit_code, cause) = match &outcome {
        Ok(()) => {
            note("passed");
            (0, None)
        }
        Err(Outcome::Exited(code)) => (*code, Some(Cause::ExitCode)),
        Err(Outcome::TimedOut(place)) => {
            note(&format!(
                "timed out after {:.1} s {place}",
                duration.as_secs_f64()
            ));
            (124, Some(Cause::Timeout))
        }
        Err(Outcome::AgentError(message)) => {
            note(message);
            (125, Some(Cause::AgentError))
        }
        Err(Outcome::Stopped(Stop::Cancelled)) => {
            note("cancelled");
            (143, Some(Cause::Cancelled))
        }
        Err(Outcome::Stopped(reason)) => {
            note(abandoned(*reason));
            (137, Some(Cause::AgentLost))
        }
    };
    if let Some(error) = log.as_mut().and_then(JobLog::take_fault) {
        context.warn(format!(
            "the log of {} is not complete: {error}",
            control.job.job_id
        ));
    }
    if outcome == Err(Outcome::Stopped(Stop::LeaseOver)) {
        control.lease_was_over();
    }
    let job = control.job.clone();
    // Asked last: from here to the outbox nothing waits for anything.
    let (exit_code, cause, reported) = match control.finish() {
        Verdict::Report => (exit_code, cause, true),
        Verdict::Stopped(Stop::LeaseOver) => (137, Some(Cause::AgentLost), false),
        Verdict::Stopped(reason) => {
            let reason = abandoned(reason).to_owned();
            return context.observe(&Event::JobAbandoned { job, reason });
        }
    };
    let (path, tail) = log.map_or_else(Default::default, |log| (log.path().to_owned(), log.tail()));
    if reported {
        let result = result(context, control, (exit_code, cause), duration);
        context
            .delivery
            .submit(entry(context, session, control.job.job_id.clone(), result))
            .await;
    }
    context.observe(&Event::JobEnded {
        job,
        exit_code,
        cause,
        duration,
        log: path,
        tail,
    });
}

/// What is reported of an attempt.
fn result(
    context: &Context,
    control: &Control,
    end: (i32, Option<Cause>),
    duration: Duration,
) -> CompleteRequest {
    let prefix = context.config.logs_url_prefix.as_ref();
    CompleteRequest {
        attempt: control.job.attempt,
        exit_code: end.0,
        duration_seconds: (duration.as_secs_f64() * 1000.0).round() / 1000.0,
        cause: end.1,
        logs_url: prefix.and_then(|prefix| {
            LogsUrl::parse(&logs_url(prefix, &JobLog::file_name(&control.job))).ok()
        }),
    }
}

/// What is reported of an attempt that was given up because the lease ended.
pub(crate) fn given_up(attempt: u32) -> CompleteRequest {
    CompleteRequest {
        attempt,
        exit_code: 137,
        duration_seconds: 0.0,
        cause: Some(Cause::AgentLost),
        logs_url: None,
    }
}

/// A result as the outbox keeps it.
pub(crate) fn entry(
    context: &Context,
    session: &Session,
    job_id: wire::JobId,
    result: CompleteRequest,
) -> Entry {
    Entry {
        url: context.base_url.clone(),
        agent_id: session.agent_id.clone(),
        session_token: session.token.expose_secret().to_owned(),
        job_id,
        result,
    }
}

fn abandoned(reason: Stop) -> &'static str {
    match reason {
        Stop::Cancelled => "it was cancelled",
        Stop::Shutdown => "the agent was told to stop at once; the job goes to another agent",
        Stop::LeaseOver => {
            "no contact with the control plane for as long as a lease lasts; the job goes to another agent"
        }
        Stop::Dropped => "the control plane has given the job to another agent",
        Stop::SessionOver => "the agent's session is over; the job goes to another agent",
    }
}
