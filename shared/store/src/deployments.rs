//! Deployments and services. A change writes everything that it touches in one transaction: the deployments, the service
//! that names the live one, and the counts.

mod item;
mod list;
#[cfg(test)]
mod tests;
mod transaction;

pub use list::{DeploymentFilter, DeploymentPage, DeploymentPosition};

use crate::call::{Item, key};
use crate::schema::TableKind;
use crate::transaction::Transacted;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::deployment::{
    Deployment, DeploymentChange, Event, PlanOutcome, Service, ServiceChange, Transition,
    TransitionError, promote, roll_back, transition,
};
use item::{StoredDeployment, StoredService};
use sha2::{Digest, Sha256};
use transaction::Deltas;
use wire::{
    DeploymentId, DeploymentStatus, JobId, ServiceName, ServiceVersion, ShortText, TenantId,
};

/// How often a change is decided anew when somebody else wrote in between.
const MAX_DECISIONS: usize = 3;

/// The sort key of every deployment item.
const DEPLOYMENT: &str = "D";

/// The sort key of every service item.
const SERVICE: &str = "V";

/// The sort key of the counts of all time.
const ALL_TIME: &str = "C";

/// A deployment to be created.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// The deployment.
    pub deployment: Deployment,
    /// The digest of the request, if an idempotency key came with it.
    pub request_sha256: Option<[u8; 32]>,
}

impl NewDeployment {
    /// The id of the deployment that an idempotency key of a tenant stands for.
    pub fn id_for_key(tenant: &TenantId, key: &str) -> DeploymentId {
        let mut hash = Sha256::new();
        // The tenant's name has no zero byte, so no two pairs run into the same text.
        hash.update(tenant.as_str());
        hash.update([0]);
        hash.update(key);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        DeploymentId::from_digest(digest)
    }
}

/// What became of a new deployment.
#[derive(Debug)]
pub enum DeploymentCreation {
    /// It is there.
    Created(Deployment),
    /// It had been created before with the same idempotency key and the same request; this is how it is now.
    Existing(Deployment),
    /// The idempotency key had been used for another request.
    Conflict,
}

/// What somebody wants done with a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentAction {
    /// A job deployed it to staging.
    Stage {
        /// The job.
        job_id: JobId,
    },
    /// A job deployed it to production. The one that was live is superseded in the same write.
    Promote {
        /// The job.
        job_id: JobId,
    },
    /// It is given up before production.
    Fail {
        /// Why.
        reason: ShortText,
    },
    /// It is taken out of production, and an earlier one takes its place in the same write.
    RollBack {
        /// The version that takes its place.
        to_version: ServiceVersion,
        /// Why.
        reason: ShortText,
    },
}

/// What became of an action.
#[derive(Debug)]
pub enum DeploymentOutcome {
    /// It changed the deployment, which is now so.
    Changed(Deployment),
    /// It had changed the deployment before.
    AlreadyDone(Deployment),
    /// The rules do not allow it; the deployment is as it was.
    Refused(TransitionError, Deployment),
    /// There is no such deployment in this tenant.
    Missing,
    /// Others wrote in between, again and again. Nothing changed; trying again is safe.
    Contended,
}

/// How many deployments there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeploymentCounts {
    /// Ever created.
    pub total: u64,
    /// Created since midnight UTC.
    pub today: u64,
    /// Live.
    pub active: u64,
    /// On staging.
    pub staging: u64,
    /// Given up.
    pub failed: u64,
}

/// What an action comes to: items as they were read, and what is to become of them.
struct Decision {
    deployments: Vec<(StoredDeployment, DeploymentChange)>,
    service: Option<(StoredService, ServiceChange)>,
}

/// An action that is not a decision to write something.
enum Settled {
    AlreadyDone,
    Refused(TransitionError),
    /// What was read belongs to different moments: nothing can be decided from it.
    Torn,
}

impl TenantStore<'_> {
    /// Creates a deployment, and its service with the first one.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_deployment(
        &self,
        new: &NewDeployment,
        write_id: &WriteId,
    ) -> Result<DeploymentCreation, StoreError> {
        const OPERATION: &str = "create_deployment";
        let request = new
            .request_sha256
            .map(|hash| data_encoding::HEXLOWER.encode(&hash));
        let written = StoredDeployment::new(self.scope, &new.deployment, request.clone())?;
        let items = vec![
            self.put_if_new(&written)?,
            self.count_in_service(&new.deployment)?,
            self.count_today(new.deployment.created_at)?,
            self.count(&Deltas::created())?,
        ];
        for _ in 0..MAX_DECISIONS {
            let found = match self
                .store
                .transact(OPERATION, items.clone(), write_id)
                .await?
            {
                Transacted::Done => {
                    return Ok(DeploymentCreation::Created(new.deployment.clone()));
                }
                Transacted::Conflict => continue,
                Transacted::Stale => {
                    self.stored_deployment(&new.deployment.deployment_id)
                        .await?
                }
            };
            let Some(found) = found else { continue };
            if found.written_by(write_id) {
                return Ok(DeploymentCreation::Created(found.deployment));
            }
            return Ok(if request.is_some() && found.request_sha256 == request {
                DeploymentCreation::Existing(found.deployment)
            } else {
                DeploymentCreation::Conflict
            });
        }
        Err(StoreError::Busy {
            operation: OPERATION,
            reason: "others wrote at the same time".to_owned(),
        })
    }

    /// The deployment, as of now.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, StoreError> {
        let stored = self.stored_deployment(id).await?;
        Ok(stored.map(|stored| stored.deployment))
    }

    /// The service, as of now.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn service(&self, name: &ServiceName) -> Result<Option<Service>, StoreError> {
        let stored = self.stored_service(name).await?;
        Ok(stored.map(|stored| stored.service))
    }

    /// What `action` does to the deployment, and to others of its service: read, decide, write all of it if nobody else
    /// wrote, else decide again.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn change_deployment(
        &self,
        operation: &'static str,
        id: &DeploymentId,
        action: &DeploymentAction,
        (by, now): (&str, Timestamp),
        write_id: &WriteId,
    ) -> Result<DeploymentOutcome, StoreError> {
        for _ in 0..MAX_DECISIONS {
            let Some(stored) = self.stored_deployment(id).await? else {
                return Ok(DeploymentOutcome::Missing);
            };
            if stored.written_by(write_id) {
                return Ok(DeploymentOutcome::Changed(stored.deployment));
            }
            let seen = stored.deployment.clone();
            let decision = match self.decide(stored, action, (by, now)).await? {
                Ok(decision) => decision,
                Err(Settled::AlreadyDone) => return Ok(DeploymentOutcome::AlreadyDone(seen)),
                Err(Settled::Refused(why)) => return Ok(DeploymentOutcome::Refused(why, seen)),
                Err(Settled::Torn) => continue,
            };
            let mut items = Vec::with_capacity(4);
            let mut deltas = Deltas::default();
            let mut after = seen;
            for (place, (stored, change)) in decision.deployments.iter().enumerate() {
                items.push(self.put_if_seen(stored, change)?);
                deltas.moved(change.before().status(), change.after().status());
                if place == 0 {
                    after = change.after().clone();
                }
            }
            if let Some((stored, change)) = &decision.service {
                items.push(self.put_service_if_seen(stored, change)?);
            }
            if !deltas.is_empty() {
                items.push(self.count(&deltas)?);
            }
            match self.store.transact(operation, items, write_id).await? {
                Transacted::Done => return Ok(DeploymentOutcome::Changed(after)),
                Transacted::Stale | Transacted::Conflict => {}
            }
        }
        Ok(DeploymentOutcome::Contended)
    }

    async fn decide(
        &self,
        stored: StoredDeployment,
        action: &DeploymentAction,
        (by, now): (&str, Timestamp),
    ) -> Result<Result<Decision, Settled>, StoreError> {
        let event = match action {
            DeploymentAction::Stage { job_id } => Event::Stage {
                job_id: job_id.clone(),
            },
            DeploymentAction::Fail { reason } => Event::Fail {
                reason: reason.clone(),
            },
            DeploymentAction::Promote { .. } | DeploymentAction::RollBack { .. } => {
                return self.decide_for_service(stored, action, (by, now)).await;
            }
        };
        Ok(match transition(&stored.deployment, &event, by, now) {
            Ok(Transition::Apply(change)) => Ok(Decision {
                deployments: vec![(stored, *change)],
                service: None,
            }),
            Ok(Transition::AlreadyDone) => Err(Settled::AlreadyDone),
            Err(why) => Err(Settled::Refused(why)),
        })
    }

    /// A promotion or a rollback, which changes the service and another deployment as well. What is read here may belong
    /// to different moments. The conditions of the write find that out; before a refusal, [`is_torn`] does.
    async fn decide_for_service(
        &self,
        stored: StoredDeployment,
        action: &DeploymentAction,
        (by, now): (&str, Timestamp),
    ) -> Result<Result<Decision, Settled>, StoreError> {
        let name = &stored.deployment.spec.service_name;
        let Some(service) = self.stored_service(name).await? else {
            let reason = format!("the service {name} of a deployment is missing");
            return Err(StoreError::unreadable("get_service", reason));
        };
        let other = match action {
            DeploymentAction::RollBack { to_version, .. } => {
                service.service.earlier(&stored.deployment, to_version)
            }
            DeploymentAction::Stage { .. }
            | DeploymentAction::Promote { .. }
            | DeploymentAction::Fail { .. } => service.service.live.as_ref(),
        };
        let other = match other {
            Some(other) if other.deployment_id != stored.deployment.deployment_id => {
                self.stored_deployment(&other.deployment_id).await?
            }
            Some(_) | None => None,
        };
        let seen = other.as_ref().map(|other| &other.deployment);
        if is_torn(&stored.deployment, &service.service, seen, action) {
            return Ok(Err(Settled::Torn));
        }
        let outcome = match action {
            DeploymentAction::RollBack { to_version, reason } => {
                let to = (to_version, reason);
                roll_back(&service.service, &stored.deployment, seen, to, (by, now))
            }
            DeploymentAction::Promote { job_id } => promote(
                &service.service,
                &stored.deployment,
                seen,
                job_id,
                (by, now),
            ),
            DeploymentAction::Stage { .. } | DeploymentAction::Fail { .. } => {
                Ok(PlanOutcome::AlreadyDone)
            }
        };
        Ok(match outcome {
            Ok(PlanOutcome::Apply(plan)) => {
                let items = std::iter::once(stored).chain(other);
                Ok(Decision {
                    deployments: items.zip(plan.deployments).collect(),
                    service: Some((service, plan.service)),
                })
            }
            Ok(PlanOutcome::AlreadyDone) => Err(Settled::AlreadyDone),
            Err(why) => Err(Settled::Refused(why)),
        })
    }

    async fn stored_deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Option<StoredDeployment>, StoreError> {
        let item_key = key(self.scope.deployment(id), DEPLOYMENT);
        let item = self.deployments_item("get_deployment", item_key).await?;
        item.map(StoredDeployment::read).transpose()
    }

    async fn stored_service(
        &self,
        name: &ServiceName,
    ) -> Result<Option<StoredService>, StoreError> {
        let item_key = key(self.scope.service(name), SERVICE);
        let item = self.deployments_item("get_service", item_key).await?;
        item.map(StoredService::read).transpose()
    }

    async fn deployments_item(
        &self,
        operation: &'static str,
        item_key: Item,
    ) -> Result<Option<Item>, StoreError> {
        let answer = self
            .store
            .client
            .get_item()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .set_key(Some(item_key))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(operation, &error))?;
        self.store.count_read(operation, answer.consumed_capacity());
        Ok(answer.item)
    }
}

/// Whether the deployment, its service and the other deployment cannot have been so at one moment: somebody promoted or
/// rolled back between the reads.
fn is_torn(
    deployment: &Deployment,
    service: &Service,
    other: Option<&Deployment>,
    action: &DeploymentAction,
) -> bool {
    let named = service
        .live
        .as_ref()
        .is_some_and(|live| live.deployment_id == deployment.deployment_id);
    let expected = match action {
        DeploymentAction::RollBack { .. } => DeploymentStatus::Superseded,
        DeploymentAction::Stage { .. }
        | DeploymentAction::Promote { .. }
        | DeploymentAction::Fail { .. } => DeploymentStatus::Live,
    };
    (deployment.status() == DeploymentStatus::Live) != named
        || other.is_some_and(|other| other.status() != expected)
}
