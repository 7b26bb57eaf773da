//! The writes of deployments: transactions, each item on the condition that it is as it was seen.

use super::item::{StoredDeployment, StoredService};
use super::{ALL_TIME, DeploymentCounts, SERVICE};
use crate::call::{Item, key, number, string};
use crate::schema::{TTL, TableKind};
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::Timestamp;
use domain::deployment::{Deployment, DeploymentChange, ServiceChange};
use std::collections::BTreeMap;
use wire::DeploymentStatus;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How long the count of a day is kept.
const DAY_KEPT_SECONDS: i64 = 8 * 24 * 3600;

/// How the counts of deployments change.
#[derive(Debug, Default)]
pub(super) struct Deltas(BTreeMap<&'static str, i64>);

impl Deltas {
    /// One more deployment.
    pub(super) fn created() -> Self {
        Self(BTreeMap::from([("total", 1)]))
    }

    /// A deployment moved.
    pub(super) fn moved(&mut self, from: DeploymentStatus, to: DeploymentStatus) {
        for (status, change) in [(from, -1), (to, 1)] {
            let count = match status {
                DeploymentStatus::Staged => "staging",
                DeploymentStatus::Live => "active",
                DeploymentStatus::Failed => "failed",
                DeploymentStatus::Pending
                | DeploymentStatus::Superseded
                | DeploymentStatus::RolledBack => continue,
            };
            *self.0.entry(count).or_default() += change;
        }
        self.0.retain(|_, change| *change != 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TenantStore<'_> {
    pub(super) fn put_if_new(
        &self,
        stored: &StoredDeployment,
    ) -> Result<TransactWriteItem, StoreError> {
        self.put(stored.item.clone(), "attribute_not_exists(pk)", None)
    }

    pub(super) fn put_if_seen(
        &self,
        stored: &StoredDeployment,
        change: &DeploymentChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = stored.with(change.after())?;
        self.put(item, "revision = :seen", Some(change.before().revision))
    }

    pub(super) fn put_service_if_seen(
        &self,
        stored: &StoredService,
        change: &ServiceChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = stored.with(change.after())?;
        self.put(item, "revision = :seen", Some(change.before().revision))
    }

    fn put(
        &self,
        item: Item,
        condition: &str,
        seen: Option<u64>,
    ) -> Result<TransactWriteItem, StoreError> {
        let seen = seen.map(|revision| [(":seen".to_owned(), number(revision))].into());
        let put = Put::builder()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(seen)
            .build()
            .map_err(|error| StoreError::unreadable("put_deployment", error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// One more deployment of a service, which comes to be with its first. The revision rises, so that whoever writes the
    /// whole service meanwhile finds out.
    pub(super) fn count_in_service(
        &self,
        deployment: &Deployment,
    ) -> Result<TransactWriteItem, StoreError> {
        let name = &deployment.spec.service_name;
        self.update(
            key(self.scope.service(name), SERVICE),
            "SET service = :service, lpk = :lpk, lsk = :service, \
             was_live = if_not_exists(was_live, :none) ADD deployments :one, revision :one",
            [
                (":service", string(name.as_str())),
                (":lpk", string(self.scope.services())),
                (":none", AttributeValue::L(Vec::new())),
                (":one", number(1)),
            ],
        )
    }

    /// One more deployment on that day.
    pub(super) fn count_today(&self, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let expires = now.as_millis() / 1000 + DAY_KEPT_SECONDS;
        self.update(
            key(self.scope.deployment_counts(), &day(now)),
            "SET #ttl = :expires ADD created :one",
            [(":expires", number(expires)), (":one", number(1))],
        )
    }

    pub(super) fn count(&self, deltas: &Deltas) -> Result<TransactWriteItem, StoreError> {
        let counts: Vec<_> = deltas
            .0
            .keys()
            .map(|name| format!("#{name} :{name}"))
            .collect();
        let update = Update::builder()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .set_key(Some(key(self.scope.deployment_counts(), ALL_TIME)))
            .update_expression(format!("ADD {}", counts.join(", ")));
        let update = deltas.0.iter().fold(update, |update, (name, change)| {
            update
                .expression_attribute_names(format!("#{name}"), *name)
                .expression_attribute_values(format!(":{name}"), number(change))
        });
        let update = update
            .build()
            .map_err(|error| StoreError::unreadable("count_deployments", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn update<const N: usize>(
        &self,
        item_key: Item,
        expression: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(self.store.tables.name(TableKind::Deployments))
            .set_key(Some(item_key))
            .update_expression(expression);
        let update = if expression.contains("#ttl") {
            update.expression_attribute_names("#ttl", TTL)
        } else {
            update
        };
        let update = values.into_iter().fold(update, |update, (name, value)| {
            update.expression_attribute_values(name, value)
        });
        let update = update
            .build()
            .map_err(|error| StoreError::unreadable("count_deployments", error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// How many deployments there are.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn deployment_counts(&self, now: Timestamp) -> Result<DeploymentCounts, StoreError> {
        const OPERATION: &str = "count_deployments";
        let partition = self.scope.deployment_counts();
        let today = day(now);
        let keys = vec![key(partition.clone(), ALL_TIME), key(partition, &today)];
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Deployments, keys)
            .await?;
        let count = |name: &str| {
            let values = items.iter().filter_map(|item| item.get(name)?.as_n().ok());
            values.filter_map(|text| text.parse::<u64>().ok()).sum()
        };
        Ok(DeploymentCounts {
            total: count("total"),
            today: count("created"),
            active: count("active"),
            staging: count("staging"),
            failed: count("failed"),
        })
    }
}

/// The sort key of the count of a day: its number since 1970.
fn day(now: Timestamp) -> String {
    format!("{:06}", now.as_millis().max(0) / DAY_MS)
}
