//! What may happen to a deployment. Only [`transition`] makes a [`DeploymentChange`], and only a change can be written.

use super::{Deployment, HistoryEntry, MAX_HISTORY, Rollback, State, Step};
use std::fmt::Write;
use wire::{DeploymentStatus, JobId, ServiceVersion, ShortText, Timestamp};

/// What happens to a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A job deployed it to staging.
    Stage {
        /// The job.
        job_id: JobId,
    },
    /// A job deployed it to production.
    Promote {
        /// The job.
        job_id: JobId,
    },
    /// Another one went to production.
    Supersede {
        /// The other's version.
        by_version: ServiceVersion,
    },
    /// It is taken out of production, and an earlier one takes its place.
    RollBack {
        /// The version that takes its place.
        to_version: ServiceVersion,
        /// Why.
        reason: ShortText,
    },
    /// A later one is rolled back to it.
    Restore {
        /// The version whose place it takes.
        from_version: ServiceVersion,
        /// Why.
        reason: ShortText,
    },
    /// It is given up before production.
    Fail {
        /// Why.
        reason: ShortText,
    },
}

/// What an event does to a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// This has to be written.
    Apply(Box<DeploymentChange>),
    /// It had happened before: a repeated request, which is answered like the first.
    AlreadyDone,
}

/// A change of a deployment that the rules allow.
///
/// Invariant: made by [`transition`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentChange {
    before: Deployment,
    after: Deployment,
}

impl DeploymentChange {
    /// The deployment as it was seen. The change holds only if it still is so.
    pub fn before(&self) -> &Deployment {
        &self.before
    }

    /// The deployment as it will be.
    pub fn after(&self) -> &Deployment {
        &self.after
    }

    /// The deployment as it will be.
    pub fn into_after(self) -> Deployment {
        self.after
    }
}

/// Why an event does nothing to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// A deployment in this status does not do that.
    #[error("not possible while the deployment is {0}")]
    Illegal(DeploymentStatus),
    /// Production comes after staging.
    #[error("production needs staging first")]
    NotStaged,
    /// No deployment of that version went to production before this one and can go back there.
    #[error("no deployment of that version was live before this one")]
    NeverLive,
}

/// What `event`, by `by` at `now`, does to `deployment`.
///
/// # Errors
/// [`TransitionError`], and then nothing changes.
pub fn transition(
    deployment: &Deployment,
    event: &Event,
    by: &str,
    now: Timestamp,
) -> Result<Transition, TransitionError> {
    if is_done(deployment, event) {
        return Ok(Transition::AlreadyDone);
    }
    let state = next_state(deployment, event, now)?;
    let mut after = deployment.clone();
    after.state = state;
    after.revision += 1;
    after.history.push(entry(&after, event, by, now));
    let surplus = after.history.len().saturating_sub(MAX_HISTORY);
    after.history.drain(..surplus);
    Ok(Transition::Apply(Box::new(DeploymentChange {
        before: deployment.clone(),
        after,
    })))
}

/// Whether the event took effect before, even if more has happened since.
fn is_done(deployment: &Deployment, event: &Event) -> bool {
    let by_job =
        |step: Option<&Step>, job_id: &JobId| step.is_some_and(|step| step.job_id == *job_id);
    match event {
        Event::Stage { job_id } => by_job(deployment.staging(), job_id),
        Event::Promote { job_id } => by_job(deployment.production(), job_id),
        Event::Supersede { .. } => deployment.status() == DeploymentStatus::Superseded,
        Event::RollBack { to_version, .. } => deployment
            .rollback()
            .is_some_and(|rollback| rollback.to_version == *to_version),
        Event::Restore { .. } => deployment.status() == DeploymentStatus::Live,
        Event::Fail { .. } => deployment.status() == DeploymentStatus::Failed,
    }
}

fn next_state(
    deployment: &Deployment,
    event: &Event,
    now: Timestamp,
) -> Result<State, TransitionError> {
    let illegal = Err(TransitionError::Illegal(deployment.status()));
    let step = |job_id: &JobId| Step {
        at: now,
        job_id: job_id.clone(),
    };
    match &deployment.state {
        State::Pending => match event {
            Event::Stage { job_id } => Ok(State::Staged {
                staging: step(job_id),
            }),
            Event::Promote { .. } => Err(TransitionError::NotStaged),
            Event::Fail { reason } => Ok(State::Failed {
                staging: None,
                at: now,
                reason: reason.clone(),
            }),
            Event::Supersede { .. } | Event::RollBack { .. } | Event::Restore { .. } => illegal,
        },
        State::Staged { staging } => match event {
            Event::Promote { job_id } => Ok(State::Live {
                staging: staging.clone(),
                production: step(job_id),
            }),
            Event::Fail { reason } => Ok(State::Failed {
                staging: Some(staging.clone()),
                at: now,
                reason: reason.clone(),
            }),
            Event::Stage { .. }
            | Event::Supersede { .. }
            | Event::RollBack { .. }
            | Event::Restore { .. } => illegal,
        },
        State::Live {
            staging,
            production,
        } => match event {
            Event::Supersede { .. } => Ok(State::Superseded {
                staging: staging.clone(),
                production: production.clone(),
            }),
            Event::RollBack { to_version, reason } => Ok(State::RolledBack {
                staging: staging.clone(),
                production: production.clone(),
                rollback: Rollback {
                    at: now,
                    to_version: to_version.clone(),
                    reason: reason.clone(),
                },
            }),
            Event::Stage { .. }
            | Event::Promote { .. }
            | Event::Restore { .. }
            | Event::Fail { .. } => illegal,
        },
        State::Superseded {
            staging,
            production,
        } => match event {
            Event::Restore { .. } => Ok(State::Live {
                staging: staging.clone(),
                production: production.clone(),
            }),
            Event::Stage { .. }
            | Event::Promote { .. }
            | Event::Supersede { .. }
            | Event::RollBack { .. }
            | Event::Fail { .. } => illegal,
        },
        State::RolledBack { .. } | State::Failed { .. } => illegal,
    }
}

fn entry(after: &Deployment, event: &Event, by: &str, now: Timestamp) -> HistoryEntry {
    let (job_id, other_version, reason) = match event {
        Event::Stage { job_id } | Event::Promote { job_id } => (Some(job_id), None, None),
        Event::Supersede { by_version } => (None, Some(by_version), None),
        Event::RollBack {
            to_version: other,
            reason,
        }
        | Event::Restore {
            from_version: other,
            reason,
        } => (None, Some(other), Some(reason)),
        Event::Fail { reason } => (None, None, Some(reason)),
    };
    HistoryEntry {
        at: now,
        status: after.status(),
        by: by.to_owned(),
        job_id: job_id.cloned(),
        other_version: other_version.cloned(),
        reason: reason.cloned(),
    }
}

/// The diagram of the state machine, in Mermaid, made by trying every event on every one of these states.
pub fn diagram(states: &[Deployment], events: &[(&str, Event)], now: Timestamp) -> String {
    let mut arrows: Vec<(DeploymentStatus, DeploymentStatus, &str)> = Vec::new();
    for state in states {
        for (name, event) in events {
            if let Ok(Transition::Apply(change)) = transition(state, event, "", now) {
                arrows.push((change.before.status(), change.after.status(), name));
            }
        }
    }
    arrows.sort_unstable();
    arrows.dedup();
    let mut text = "stateDiagram-v2\n    [*] --> PENDING: create\n".to_owned();
    for (from, to, name) in &arrows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {from} --> {to}: {name}");
    }
    for status in DeploymentStatus::ALL {
        if !arrows.iter().any(|(from, _, _)| from == status) {
            let _ = writeln!(text, "    {status} --> [*]");
        }
    }
    text
}
