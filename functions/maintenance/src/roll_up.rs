//! One roll-up of every tenant's statistics, and what follows from them: promotions in line and the size of pools.

use crate::{Maintenance, RollUpReport};
use domain::pool::{Load, Pool, scaling};
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::BTreeMap;
use store::{
    DEADLINE_SHARDS, LiveAgent, PoolQueues, StoreError, TenantScope, TenantStore, WriteId,
};
use wire::{AgentStatus, PoolName, Timestamp};

/// How many tenants are read at a time.
const TENANTS_PAGE: u32 = 100;

/// How many of them are rolled up at a time.
const AT_A_TIME: usize = 4;

/// How many pools are read at a time, and how many pages of them.
const POOLS_PAGE: u32 = 100;
const MAX_POOL_PAGES: usize = 10;

/// How many rounds of promotions a pool gets; the next pass goes on.
const MAX_PROMOTIONS: usize = 20;

impl Maintenance {
    /// Takes the statistics of every tenant anew. A tenant that fails does not stop the others; the next pass tries it
    /// again.
    pub async fn roll_up_pass(&self) -> RollUpReport {
        let mut report = RollUpReport {
            passes: 1,
            ..RollUpReport::default()
        };
        for shard in 0..DEADLINE_SHARDS {
            let mut after = None;
            loop {
                let page = self
                    .store
                    .tenants(shard, after.as_ref(), TENANTS_PAGE)
                    .await;
                let tenants = page.unwrap_or_else(|error| {
                    tracing::error!(%error, shard, "the tenants of a shard could not be read");
                    report.errors += 1;
                    Vec::new()
                });
                after = tenants.last().cloned();
                let is_last = tenants.len() < TENANTS_PAGE as usize;
                let mut done = stream::iter(tenants)
                    .map(|scope| async move { self.roll_up_tenant(&scope).await })
                    .buffer_unordered(AT_A_TIME);
                while let Some(one) = done.next().await {
                    report.add(one);
                }
                if is_last {
                    break;
                }
            }
        }
        report
    }

    async fn roll_up_tenant(&self, scope: &TenantScope) -> RollUpReport {
        let mut report = RollUpReport {
            tenants: 1,
            ..RollUpReport::default()
        };
        if let Err(error) = self.roll_up(scope, &mut report).await {
            tracing::error!(%error, tenant_id = %scope.tenant(), "a tenant could not be rolled up");
            report.errors += 1;
        }
        report
    }

    async fn roll_up(
        &self,
        scope: &TenantScope,
        report: &mut RollUpReport,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let tenant = self.store.tenant(scope);
        let pools = all_pools(&tenant).await?;
        let queues: Vec<_> = pools
            .iter()
            .map(|pool| PoolQueues {
                pool_name: pool.pool_name.clone(),
                ready_shards: pool.ready_shards,
            })
            .collect();
        tenant.roll_up(now, &queues).await?;
        report.pools += pools.len();
        if pools.is_empty() {
            return Ok(());
        }
        let workers = workers(&tenant.live_agents(None).await?);
        for pool in &pools {
            for _ in 0..MAX_PROMOTIONS {
                let promoted = tenant
                    .promote_due_jobs(&pool.pool_name, now, || (self.random)())
                    .await?;
                report.promoted += promoted;
                if promoted == 0 {
                    break;
                }
            }
            self.scale(&tenant, pool, &workers, now).await?;
        }
        Ok(())
    }

    /// Records how many agents the pool should have, if that has changed.
    async fn scale(
        &self,
        tenant: &TenantStore<'_>,
        pool: &Pool,
        workers: &BTreeMap<PoolName, (u64, u64)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statistics = tenant.statistics(Some(&pool.pool_name), now).await?;
        let (agents, capacity) = workers.get(&pool.pool_name).copied().unwrap_or_default();
        let load = Load {
            queued: statistics.queued,
            running: statistics.claimed + statistics.running,
            capacity,
            agents,
            oldest_wait_seconds: statistics.oldest_wait_seconds,
        };
        let signal = scaling(pool, &load, now);
        let write_id = WriteId::new((self.random)());
        tenant.record_scaling(pool, &signal, now, &write_id).await
    }
}

async fn all_pools(tenant: &TenantStore<'_>) -> Result<Vec<Pool>, StoreError> {
    let mut pools: Vec<Pool> = Vec::new();
    for _ in 0..MAX_POOL_PAGES {
        let after = pools.last().map(|pool| pool.pool_name.clone());
        let page = tenant.pools(after.as_ref(), POOLS_PAGE).await?;
        let is_last = page.len() < POOLS_PAGE as usize;
        pools.extend(page);
        if is_last {
            break;
        }
    }
    Ok(pools)
}

/// For each pool how many agents take work, and how many jobs they run at a time together.
fn workers(agents: &[LiveAgent]) -> BTreeMap<PoolName, (u64, u64)> {
    let mut workers = BTreeMap::new();
    for agent in agents {
        if matches!(agent.standing, AgentStatus::Healthy | AgentStatus::Degraded) {
            let (count, capacity): &mut (u64, u64) =
                workers.entry(agent.pool_name.clone()).or_default();
            *count += 1;
            *capacity += u64::from(agent.max_concurrent_jobs);
        }
    }
    workers
}
