//! Lists of deployments, newest first, and of services, by name.

use super::item::{StoredDeployment, StoredService};
use super::{DEPLOYMENT, SERVICE};
use crate::call::{Item, key, string};
use crate::schema::TableKind;
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::deployment::{Deployment, Service};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use wire::{DeploymentId, DeploymentStatus, ServiceName};

const OPERATION: &str = "list_deployments";

/// How many deployments a page looks at, at most, to find those that are asked for.
const MAX_EXAMINED: usize = 500;

/// How many places of an index are read at a time, which is also what one read of items takes.
const CHUNK: usize = 100;

/// Which deployments to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Those of this service.
    pub service: Option<ServiceName>,
    /// Those in this status.
    pub status: Option<DeploymentStatus>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentPosition(String);

/// A page of deployments.
#[derive(Debug, Default)]
pub struct DeploymentPage {
    /// The deployments, newest first. Fewer than asked for, even none, do not mean that the list ends.
    pub deployments: Vec<Deployment>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<DeploymentPosition>,
}

impl TenantStore<'_> {
    /// A page of the tenant's deployments, newest first. Looks at no more than 500 for it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn deployments(
        &self,
        filter: &DeploymentFilter,
        limit: usize,
        after: Option<&DeploymentPosition>,
    ) -> Result<DeploymentPage, StoreError> {
        let mut page = DeploymentPage::default();
        let mut position = after.cloned();
        let mut examined = 0;
        while examined < MAX_EXAMINED {
            let wanted = CHUNK.min(limit.max(10));
            let sorts = self.places(filter, wanted, position.as_ref()).await?;
            let mut found = self.deployments_at(&sorts).await?;
            for sort in &sorts {
                let deployment = found.remove(id_of(sort));
                let matches = |deployment: &Deployment| {
                    filter
                        .status
                        .is_none_or(|status| status == deployment.status())
                };
                page.deployments.extend(deployment.filter(matches));
                position = Some(DeploymentPosition(sort.clone()));
                if page.deployments.len() >= limit {
                    page.next = position;
                    return Ok(page);
                }
            }
            if sorts.is_empty() {
                return Ok(page);
            }
            examined += sorts.len();
        }
        page.next = position;
        Ok(page)
    }

    /// The tenant's services by name, after the given one; at most 100. Fewer than `limit` mean that there are no more.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn services(
        &self,
        limit: usize,
        after: Option<&ServiceName>,
    ) -> Result<Vec<Service>, StoreError> {
        const OPERATION: &str = "list_services";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .index_name("list")
            .key_condition_expression("lpk = :partition AND lsk > :after")
            .expression_attribute_values(":partition", string(self.scope.services()))
            // A sort key cannot be compared with an empty string; no name begins with a space.
            .expression_attribute_values(":after", string(after.map_or(" ", ServiceName::as_str)))
            .limit(i32::try_from(limit.min(CHUNK)).unwrap_or(1))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let names = answer.items().iter().filter_map(|item| text(item, "lsk"));
        let names = names.filter_map(|name| ServiceName::parse(name).ok());
        let keys: Vec<_> = names
            .map(|name| key(self.scope.service(&name), SERVICE))
            .collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Deployments, keys)
            .await?;
        let services = items
            .into_iter()
            .map(|item| Ok(StoredService::read(item)?.service));
        let mut services = services.collect::<Result<Vec<_>, StoreError>>()?;
        services.sort_by(|left, right| left.service_name.cmp(&right.service_name));
        Ok(services)
    }

    async fn places(
        &self,
        filter: &DeploymentFilter,
        limit: usize,
        after: Option<&DeploymentPosition>,
    ) -> Result<Vec<String>, StoreError> {
        let (index, [partition_key, sort_key], partition) = match &filter.service {
            Some(service) => ("service", ["vpk", "vsk"], self.scope.service(service)),
            None => ("list", ["lpk", "lsk"], self.scope.deployments()),
        };
        // Every place begins with a digit.
        let after = after.map_or("~", |DeploymentPosition(sort)| sort);
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .index_name(index)
            .key_condition_expression(format!(
                "{partition_key} = :partition AND {sort_key} < :after"
            ))
            .expression_attribute_values(":partition", string(partition))
            .expression_attribute_values(":after", string(after))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(1))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let sorts = answer
            .items()
            .iter()
            .filter_map(|item| text(item, sort_key));
        Ok(sorts.map(str::to_owned).collect())
    }

    async fn deployments_at(
        &self,
        sorts: &[String],
    ) -> Result<HashMap<String, Deployment>, StoreError> {
        let ids = sorts
            .iter()
            .filter_map(|sort| DeploymentId::parse(id_of(sort)).ok());
        let keys: Vec<_> = ids
            .map(|id| key(self.scope.deployment(&id), DEPLOYMENT))
            .collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Deployments, keys)
            .await?;
        items
            .into_iter()
            .map(|item| {
                let deployment = StoredDeployment::read(item)?.deployment;
                Ok((deployment.deployment_id.to_string(), deployment))
            })
            .collect()
    }
}

/// The id at the end of a place in a list.
fn id_of(sort: &str) -> &str {
    sort.split_once('#').map_or(sort, |(_, id)| id)
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
