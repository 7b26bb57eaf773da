//! What a promotion or a rollback does to a service: which deployments change together, so that at most one is live.

use super::{
    Deployment, DeploymentChange, Event, MAX_WAS_LIVE, Transition, TransitionError, transition,
};
use wire::{
    DeploymentId, DeploymentStatus, JobId, ServiceName, ServiceVersion, ShortText, Timestamp,
};

/// A deployment that was live and was superseded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasLive {
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// Its version.
    pub version: ServiceVersion,
    /// When it first went to production.
    pub live_at: Timestamp,
}

/// A service, by what it has in production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub service_name: ServiceName,
    /// The deployment that is live, if one is.
    pub live: Option<WasLive>,
    /// Deployments that were superseded, oldest first, the last [`MAX_WAS_LIVE`].
    pub was_live: Vec<WasLive>,
    /// How many deployments of it were created.
    pub deployments: u64,
    /// Rises whenever another deployment goes live.
    pub revision: u64,
}

/// A change of what a service has in production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceChange {
    before: Service,
    after: Service,
}

impl ServiceChange {
    /// The service as it was seen.
    pub fn before(&self) -> &Service {
        &self.before
    }

    /// The service as it will be.
    pub fn after(&self) -> &Service {
        &self.after
    }
}

/// Changes that are written together or not at all.
///
/// Invariant: it leaves at most one deployment of the service live, and that is the one that the service names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The deployments, the one that was asked for first.
    pub deployments: Vec<DeploymentChange>,
    /// The service.
    pub service: ServiceChange,
}

/// What a promotion or a rollback comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanOutcome {
    /// This has to be written.
    Apply(Box<Plan>),
    /// It had happened before.
    AlreadyDone,
}

impl Service {
    /// A service without deployments.
    pub fn new(service_name: ServiceName) -> Self {
        Self {
            service_name,
            live: None,
            was_live: Vec::new(),
            deployments: 0,
            revision: 0,
        }
    }

    /// The deployment that a rollback of `deployment` to that version makes live again: of those that were live before
    /// it, or went live in the same millisecond, the last of that version.
    pub fn earlier(&self, deployment: &Deployment, version: &ServiceVersion) -> Option<&WasLive> {
        let live_at = deployment.production()?.at;
        self.was_live
            .iter()
            .filter(|was| was.version == *version && was.deployment_id != deployment.deployment_id)
            .filter(|was| was.live_at <= live_at)
            .max_by_key(|was| was.live_at)
    }
}

/// Production for `deployment`, and the end of it for the one that is `live` so far.
///
/// # Errors
/// [`TransitionError`], and then nothing changes.
pub fn promote(
    service: &Service,
    deployment: &Deployment,
    live: Option<&Deployment>,
    job_id: &JobId,
    (by, now): (&str, Timestamp),
) -> Result<PlanOutcome, TransitionError> {
    let event = Event::Promote {
        job_id: job_id.clone(),
    };
    let Transition::Apply(change) = transition(deployment, &event, by, now)? else {
        return Ok(PlanOutcome::AlreadyDone);
    };
    let mut deployments = vec![*change];
    let mut after = service.clone();
    if let Some(live) = live {
        let by_version = deployment.spec.service_version.clone();
        let event = Event::Supersede { by_version };
        if let Transition::Apply(change) = transition(live, &event, by, now)? {
            deployments.push(*change);
        }
    }
    after.was_live.extend(after.live.take());
    let surplus = after.was_live.len().saturating_sub(MAX_WAS_LIVE);
    after.was_live.drain(..surplus);
    after.live = deployments
        .first()
        .and_then(|change| in_production(change.after()));
    Ok(plan(deployments, service, after))
}

/// The end of production for `deployment`, and production again for `target`, which [`Service::earlier`] found.
///
/// # Errors
/// [`TransitionError`], and then nothing changes.
pub fn roll_back(
    service: &Service,
    deployment: &Deployment,
    target: Option<&Deployment>,
    (to_version, reason): (&ServiceVersion, &ShortText),
    (by, now): (&str, Timestamp),
) -> Result<PlanOutcome, TransitionError> {
    let event = Event::RollBack {
        to_version: to_version.clone(),
        reason: reason.clone(),
    };
    let Transition::Apply(change) = transition(deployment, &event, by, now)? else {
        return Ok(PlanOutcome::AlreadyDone);
    };
    let target = target.ok_or(TransitionError::NeverLive)?;
    let from_version = deployment.spec.service_version.clone();
    let event = Event::Restore {
        from_version,
        reason: reason.clone(),
    };
    let mut deployments = vec![*change];
    match transition(target, &event, by, now)? {
        Transition::Apply(change) => deployments.push(*change),
        // Two would have been live: the service and the deployment do not belong to one moment.
        Transition::AlreadyDone => return Err(TransitionError::Illegal(DeploymentStatus::Live)),
    }
    let mut after = service.clone();
    after
        .was_live
        .retain(|was| was.deployment_id != target.deployment_id);
    after.live = deployments
        .last()
        .and_then(|change| in_production(change.after()));
    Ok(plan(deployments, service, after))
}

fn plan(deployments: Vec<DeploymentChange>, before: &Service, mut after: Service) -> PlanOutcome {
    after.revision += 1;
    let service = ServiceChange {
        before: before.clone(),
        after,
    };
    PlanOutcome::Apply(Box::new(Plan {
        deployments,
        service,
    }))
}

fn in_production(deployment: &Deployment) -> Option<WasLive> {
    Some(WasLive {
        deployment_id: deployment.deployment_id.clone(),
        version: deployment.spec.service_version.clone(),
        live_at: deployment.production()?.at,
    })
}
