//! Pools of agents.

use crate::call::{Item, from_item, key, string, to_item};
use crate::schema::TableKind;
use crate::update::Outcome;
use crate::{StoreError, TenantStore, WriteId};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::pool::{Pool, Scaling};
use serde::{Deserialize, Serialize};
use wire::{PoolName, ShortText};

/// The sort key of every pool item.
const POOL: &str = "P";

/// How old what a warm process remembers of a pool may be, in milliseconds.
const REMEMBERED_MS: i64 = 10_000;

/// A pool's item.
#[derive(Debug, Serialize, Deserialize)]
struct PoolItem {
    pool_name: PoolName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<ShortText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<ShortText>,
    min_agents: u32,
    max_agents: u32,
    desired_agents: u32,
    enabled: bool,
    draining: bool,
    ready_shards: u32,
    created_ms: i64,
    scaled_ms: i64,
    revision: u64,
    /// Partition and sort key of the `list` index.
    lpk: String,
    lsk: String,
}

impl TenantStore<'_> {
    fn pool_item(&self, pool: &Pool) -> Result<Item, StoreError> {
        let item = PoolItem {
            pool_name: pool.pool_name.clone(),
            region: pool.region.clone(),
            zone: pool.zone.clone(),
            min_agents: pool.min_agents,
            max_agents: pool.max_agents,
            desired_agents: pool.desired_agents,
            enabled: pool.enabled,
            draining: pool.draining,
            ready_shards: pool.ready_shards,
            created_ms: pool.created_at.as_millis(),
            scaled_ms: pool.scaled_at.as_millis(),
            revision: pool.revision,
            lpk: self.scope.pools(),
            lsk: pool.pool_name.to_string(),
        };
        let mut attributes = to_item("put_pool", &item)?;
        attributes.extend(key(self.scope.pool(&pool.pool_name), POOL));
        Ok(attributes)
    }

    /// The pool.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn pool(&self, name: &PoolName) -> Result<Option<Pool>, StoreError> {
        const OPERATION: &str = "get_pool";
        let answer = self
            .store
            .client
            .get_item()
            .table_name(self.store.tables.name(TableKind::Agents))
            .set_key(Some(key(self.scope.pool(name), POOL)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        answer.item.map(read_pool).transpose()
    }

    /// The pool as it was at most 10 s ago: a warm process remembers it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn pool_cached(
        &self,
        name: &PoolName,
        now: Timestamp,
    ) -> Result<Option<Pool>, StoreError> {
        let partition = self.scope.pool(name);
        let known = self.store.memory.pools.get(&partition);
        if let Some((_, pool)) = known.filter(|(at, _)| now.millis_since(*at) < REMEMBERED_MS) {
            return Ok(Some(pool));
        }
        let pool = self.pool(name).await?;
        if let Some(pool) = &pool {
            self.store.memory.pools.put(partition, (now, pool.clone()));
        }
        Ok(pool)
    }

    /// The pool, created if this is its first use.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn ensure_pool(
        &self,
        name: &PoolName,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<Pool, StoreError> {
        if let Some(pool) = self.pool_cached(name, now).await? {
            return Ok(pool);
        }
        let new = Pool::new(name.clone(), now);
        Ok(match self.create_pool(&new, write_id).await? {
            None => new,
            Some(there) => there,
        })
    }

    /// Creates a pool. The one that is there, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn create_pool(
        &self,
        pool: &Pool,
        write_id: &WriteId,
    ) -> Result<Option<Pool>, StoreError> {
        const OPERATION: &str = "create_pool";
        let item = self.pool_item(pool)?;
        let there = self
            .store
            .put_new_item(OPERATION, TableKind::Agents, item, write_id)
            .await?;
        there.map(read_pool).transpose()
    }

    /// Writes a changed pool, if it still is as it was seen.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn update_pool(
        &self,
        seen: &Pool,
        changed: Pool,
        write_id: &WriteId,
    ) -> Result<Outcome<Pool>, StoreError> {
        const OPERATION: &str = "update_pool";
        let before = self.pool_item(seen)?;
        let after = self.pool_item(&Pool {
            revision: seen.revision + 1,
            ..changed
        })?;
        let outcome = self
            .store
            .update_item(OPERATION, TableKind::Agents, &before, after, write_id)
            .await?;
        self.store
            .memory
            .pools
            .take(&self.scope.pool(&seen.pool_name));
        Ok(match outcome {
            Outcome::Applied(item) => Outcome::Applied(read_pool(item)?),
            Outcome::Stale(item) => Outcome::Stale(read_pool(item)?),
            Outcome::Missing => Outcome::Missing,
        })
    }

    /// Deletes a pool, if it still is as it was seen. Whether it is gone.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn delete_pool(&self, seen: &Pool) -> Result<bool, StoreError> {
        const OPERATION: &str = "delete_pool";
        let answer = self
            .store
            .client
            .delete_item()
            .table_name(self.store.tables.name(TableKind::Agents))
            .set_key(Some(key(self.scope.pool(&seen.pool_name), POOL)))
            .condition_expression("attribute_not_exists(pk) OR revision = :seen")
            .expression_attribute_values(":seen", crate::call::number(seen.revision))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        self.store
            .memory
            .pools
            .take(&self.scope.pool(&seen.pool_name));
        match answer {
            Ok(answer) => {
                self.store
                    .count_write(OPERATION, answer.consumed_capacity());
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => {
                    self.store.meter.lost_race(OPERATION);
                    Ok(false)
                }
                Some(_) | None => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }

    /// Pools by name, after the given one. Fewer than `limit` mean that there are no more; at most 100.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn pools(
        &self,
        after: Option<&PoolName>,
        limit: u32,
    ) -> Result<Vec<Pool>, StoreError> {
        const OPERATION: &str = "list_pools";
        let answer = self
            .store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Agents))
            .index_name("list")
            .key_condition_expression("lpk = :partition AND lsk > :from")
            .expression_attribute_values(":partition", string(self.scope.pools()))
            .expression_attribute_values(":from", string(after.map_or(" ", PoolName::as_str)))
            .limit(i32::try_from(limit.min(100)).unwrap_or(100))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let names = answer
            .items()
            .iter()
            .filter_map(|item| item.get("lsk")?.as_s().ok());
        let names: Vec<_> = names
            .filter_map(|name| PoolName::parse(name).ok())
            .collect();
        let keys = names
            .iter()
            .map(|name| key(self.scope.pool(name), POOL))
            .collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Agents, keys)
            .await?;
        let mut pools = items
            .into_iter()
            .map(read_pool)
            .collect::<Result<Vec<_>, _>>()?;
        pools.sort_by(|left, right| left.pool_name.cmp(&right.pool_name));
        Ok(pools)
    }

    /// Keeps what the auto-scaling signal asks for. Whoever scales the pool by hand meanwhile wins.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn record_scaling(
        &self,
        pool: &Pool,
        scaling: &Scaling,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<(), StoreError> {
        if scaling.desired_agents == pool.desired_agents {
            return Ok(());
        }
        let changed = Pool {
            desired_agents: scaling.desired_agents,
            scaled_at: now,
            ..pool.clone()
        };
        self.update_pool(pool, changed, write_id).await.map(drop)
    }
}

fn read_pool(item: Item) -> Result<Pool, StoreError> {
    let item: PoolItem = from_item("get_pool", item)?;
    Ok(Pool {
        pool_name: item.pool_name,
        region: item.region,
        zone: item.zone,
        min_agents: item.min_agents,
        max_agents: item.max_agents,
        desired_agents: item.desired_agents,
        enabled: item.enabled,
        draining: item.draining,
        ready_shards: item.ready_shards,
        created_at: Timestamp::from_millis(item.created_ms),
        scaled_at: Timestamp::from_millis(item.scaled_ms),
        revision: item.revision,
    })
}
