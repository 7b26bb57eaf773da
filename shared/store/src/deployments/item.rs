//! The items of deployments and services. They are kept as they were read, so that attributes that a newer version added
//! survive being written back.

use super::DEPLOYMENT;
use crate::call::{Item, from_item, key, string, to_item};
use crate::keys::millis;
use crate::{StoreError, TenantScope, WriteId};
use domain::Timestamp;
use domain::deployment::{
    Deployment, DeploymentSpec, HistoryEntry, Rollback, Service, State, Step, WasLive,
};
use serde::{Deserialize, Serialize};
use wire::{
    CommitSha, DeploymentId, DeploymentStatus, GitAuthor, JobId, ServiceName, ServiceVersion,
    ShortText,
};

/// A deployment and its item as it was read.
pub(super) struct StoredDeployment {
    pub(super) deployment: Deployment,
    pub(super) request_sha256: Option<String>,
    pub(super) item: Item,
}

/// A service and its item as it was read.
pub(super) struct StoredService {
    pub(super) service: Service,
    pub(super) item: Item,
}

#[derive(Serialize, Deserialize)]
struct StepItem {
    ms: i64,
    job: JobId,
}

#[derive(Serialize, Deserialize)]
struct RollbackItem {
    ms: i64,
    to: ServiceVersion,
    reason: ShortText,
}

#[derive(Serialize, Deserialize)]
struct FailureItem {
    ms: i64,
    reason: ShortText,
}

#[derive(Serialize, Deserialize)]
struct HistoryItem {
    ms: i64,
    status: DeploymentStatus,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<ServiceVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<ShortText>,
}

#[derive(Serialize, Deserialize)]
struct DeploymentItem {
    deployment_id: DeploymentId,
    service: ServiceName,
    version: ServiceVersion,
    commit: CommitSha,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<GitAuthor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build_job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test_job: Option<JobId>,
    created_by: String,
    created_ms: i64,
    status: DeploymentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    staging: Option<StepItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    production: Option<StepItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollback: Option<RollbackItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FailureItem>,
    history: Vec<HistoryItem>,
    revision: u64,
    /// Written at creation and left alone afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WasLiveItem {
    deployment_id: DeploymentId,
    version: ServiceVersion,
    ms: i64,
}

#[derive(Serialize, Deserialize)]
struct ServiceItem {
    service: ServiceName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<WasLiveItem>,
    was_live: Vec<WasLiveItem>,
    deployments: u64,
    revision: u64,
}

impl StoredDeployment {
    /// The item of a deployment that is not there yet.
    pub(super) fn new(
        scope: &TenantScope,
        deployment: &Deployment,
        request_sha256: Option<String>,
    ) -> Result<Self, StoreError> {
        let id = &deployment.deployment_id;
        let place = format!("{}#{id}", millis(deployment.created_at));
        let mut item = key(scope.deployment(id), DEPLOYMENT);
        for (name, value) in [
            ("lpk", scope.deployments()),
            ("lsk", place.clone()),
            ("vpk", scope.service(&deployment.spec.service_name)),
            ("vsk", place),
        ] {
            item.insert(name.to_owned(), string(value));
        }
        if let Some(hash) = &request_sha256 {
            item.insert("request_sha256".to_owned(), string(hash));
        }
        let deployment = deployment.clone();
        let stored = Self {
            deployment,
            request_sha256,
            item,
        };
        let item = stored.with(&stored.deployment)?;
        Ok(Self { item, ..stored })
    }

    pub(super) fn read(item: Item) -> Result<Self, StoreError> {
        let read: DeploymentItem = from_item("get_deployment", item.clone())?;
        let request_sha256 = read.request_sha256.clone();
        let deployment = read
            .into_deployment()
            .ok_or_else(|| StoreError::unreadable("get_deployment", "its status lacks a step"))?;
        Ok(Self {
            deployment,
            request_sha256,
            item,
        })
    }

    /// Whether that very write made it what it is.
    pub(super) fn written_by(&self, write_id: &WriteId) -> bool {
        self.item.get("write_id") == Some(&string(write_id.as_str()))
    }

    /// The item once the deployment is so. Nothing that was set is ever unset.
    pub(super) fn with(&self, after: &Deployment) -> Result<Item, StoreError> {
        let mut item = self.item.clone();
        item.extend(to_item("put_deployment", &DeploymentItem::of(after))?);
        Ok(item)
    }
}

impl StoredService {
    pub(super) fn read(item: Item) -> Result<Self, StoreError> {
        let read: ServiceItem = from_item("get_service", item.clone())?;
        let service = Service {
            service_name: read.service,
            live: read.live.map(WasLiveItem::into_was_live),
            was_live: read
                .was_live
                .into_iter()
                .map(WasLiveItem::into_was_live)
                .collect(),
            deployments: read.deployments,
            revision: read.revision,
        };
        Ok(Self { service, item })
    }

    /// The item once the service is so. Nothing that was set is ever unset.
    pub(super) fn with(&self, after: &Service) -> Result<Item, StoreError> {
        let mut item = self.item.clone();
        let service = ServiceItem {
            service: after.service_name.clone(),
            live: after.live.as_ref().map(WasLiveItem::of),
            was_live: after.was_live.iter().map(WasLiveItem::of).collect(),
            deployments: after.deployments,
            revision: after.revision,
        };
        item.extend(to_item("put_service", &service)?);
        Ok(item)
    }
}

impl WasLiveItem {
    fn of(was: &WasLive) -> Self {
        Self {
            deployment_id: was.deployment_id.clone(),
            version: was.version.clone(),
            ms: was.live_at.as_millis(),
        }
    }

    fn into_was_live(self) -> WasLive {
        WasLive {
            deployment_id: self.deployment_id,
            version: self.version,
            live_at: Timestamp::from_millis(self.ms),
        }
    }
}

impl StepItem {
    fn of(step: &Step) -> Self {
        Self {
            ms: step.at.as_millis(),
            job: step.job_id.clone(),
        }
    }

    fn into_step(self) -> Step {
        Step {
            at: Timestamp::from_millis(self.ms),
            job_id: self.job,
        }
    }
}

impl DeploymentItem {
    fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.clone();
        let failure = match &deployment.state {
            State::Failed { at, reason, .. } => Some(FailureItem {
                ms: at.as_millis(),
                reason: reason.clone(),
            }),
            State::Pending
            | State::Staged { .. }
            | State::Live { .. }
            | State::Superseded { .. }
            | State::RolledBack { .. } => None,
        };
        Self {
            deployment_id: deployment.deployment_id.clone(),
            service: spec.service_name,
            version: spec.service_version,
            commit: spec.git_commit_sha,
            author: spec.git_author,
            build_job: spec.build_job_id,
            test_job: spec.test_job_id,
            created_by: deployment.created_by.clone(),
            created_ms: deployment.created_at.as_millis(),
            status: deployment.status(),
            staging: deployment.staging().map(StepItem::of),
            production: deployment.production().map(StepItem::of),
            rollback: deployment.rollback().map(|rollback| RollbackItem {
                ms: rollback.at.as_millis(),
                to: rollback.to_version.clone(),
                reason: rollback.reason.clone(),
            }),
            failure,
            history: deployment.history.iter().map(HistoryItem::of).collect(),
            revision: deployment.revision,
            request_sha256: None,
        }
    }

    /// None if what its status needs is not there.
    fn into_deployment(self) -> Option<Deployment> {
        let at = Timestamp::from_millis;
        let staging = self.staging.map(StepItem::into_step);
        let production = self.production.map(StepItem::into_step);
        let state = match self.status {
            DeploymentStatus::Pending => State::Pending,
            DeploymentStatus::Staged => State::Staged { staging: staging? },
            DeploymentStatus::Live => State::Live {
                staging: staging?,
                production: production?,
            },
            DeploymentStatus::Superseded => State::Superseded {
                staging: staging?,
                production: production?,
            },
            DeploymentStatus::RolledBack => {
                let rollback = self.rollback?;
                State::RolledBack {
                    staging: staging?,
                    production: production?,
                    rollback: Rollback {
                        at: at(rollback.ms),
                        to_version: rollback.to,
                        reason: rollback.reason,
                    },
                }
            }
            DeploymentStatus::Failed => {
                let failure = self.failure?;
                State::Failed {
                    staging,
                    at: at(failure.ms),
                    reason: failure.reason,
                }
            }
        };
        Some(Deployment {
            deployment_id: self.deployment_id,
            spec: DeploymentSpec {
                service_name: self.service,
                service_version: self.version,
                git_commit_sha: self.commit,
                git_author: self.author,
                build_job_id: self.build_job,
                test_job_id: self.test_job,
            },
            created_by: self.created_by,
            created_at: at(self.created_ms),
            state,
            history: self
                .history
                .into_iter()
                .map(HistoryItem::into_entry)
                .collect(),
            revision: self.revision,
        })
    }
}

impl HistoryItem {
    fn of(entry: &HistoryEntry) -> Self {
        Self {
            ms: entry.at.as_millis(),
            status: entry.status,
            by: entry.by.clone(),
            job: entry.job_id.clone(),
            other: entry.other_version.clone(),
            reason: entry.reason.clone(),
        }
    }

    fn into_entry(self) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::from_millis(self.ms),
            status: self.status,
            by: self.by,
            job_id: self.job,
            other_version: self.other,
            reason: self.reason,
        }
    }
}
