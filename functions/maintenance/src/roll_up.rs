//! One roll-up of every tenant's statistics, and what follows from them: promotions in line, the size of pools, metrics.

use crate::figures::Figures;
use crate::round::Round;
use crate::{Maintenance, RollUpReport};
use domain::pool::{Load, Pool, Scaling, scaling};
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::BTreeMap;
use store::{AgentEntry, PoolQueues, Statistics, StoreError, TenantScope, TenantStore, WriteId};
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
    /// Takes the statistics of every tenant anew, and publishes metrics when it has been to all of them. A tenant that fails
    /// does not stop the others; the next pass tries it again. A pass goes on where one before was broken off.
    #[tracing::instrument(name = "roll-up", skip_all)]
    pub async fn roll_up_pass(&self) -> RollUpReport {
        let mut report = RollUpReport {
            passes: 1,
            ..RollUpReport::default()
        };
        // Held to the end of the pass, or until it is broken off: then the round is where the pass has got to.
        let mut round = self.round.lock().await;
        round.resume(self.now());
        while let Some(shard) = round.shard() {
            let page = self.store.tenants(shard, round.after(), TENANTS_PAGE).await;
            match page {
                Ok(tenants) => {
                    let is_last = tenants.len() < TENANTS_PAGE as usize;
                    self.roll_up_tenants(tenants, &mut round, &mut report).await;
                    if is_last {
                        round.next_shard();
                    }
                }
                Err(error) => {
                    tracing::error!(%error, shard, "the tenants of a shard could not be read");
                    report.errors += 1;
                    round.leave_shard();
                }
            }
        }
        if let Some(figures) = round.finish() {
            figures.publish(&self.sink, self.now());
        }
        report
    }

    /// Goes on with these tenants, a few at a time, in their order.
    async fn roll_up_tenants(
        &self,
        tenants: Vec<TenantScope>,
        round: &mut Round,
        report: &mut RollUpReport,
    ) {
        let mut tenants = tenants.into_iter();
        if round.is_stuck()
            && let Some(stuck) = tenants.next()
        {
            tracing::error!(tenant_id = %stuck.tenant(), "a tenant takes longer than a pass");
            report.errors += 1;
            round.pass_by(stuck, Figures::default());
        }
        let mut done = stream::iter(tenants)
            .map(|scope| async move {
                let (figures, report) = self.roll_up_tenant(&scope).await;
                (scope, figures, report)
            })
            .buffered(AT_A_TIME);
        while let Some((scope, figures, one)) = done.next().await {
            report.add(one);
            round.pass_by(scope, figures);
        }
    }

    async fn roll_up_tenant(&self, scope: &TenantScope) -> (Figures, RollUpReport) {
        let mut report = RollUpReport {
            tenants: 1,
            ..RollUpReport::default()
        };
        let now = self.now();
        let figures = self.roll_up(scope, now, &mut report).await;
        let figures = figures.unwrap_or_else(|error| {
            tracing::error!(%error, tenant_id = %scope.tenant(), "a tenant could not be rolled up");
            report.errors += 1;
            Figures::default()
        });
        self.finish_revocations(scope, now, &mut report).await;
        self.record(scope, now, &mut report).await;
        (figures, report)
    }

    /// Goes on with revocations whose function did not live to end all agents of the key.
    async fn finish_revocations(
        &self,
        scope: &TenantScope,
        now: Timestamp,
        report: &mut RollUpReport,
    ) {
        let tenant = self.store.tenant(scope);
        let finished = tenant.finish_revocations(now, || (self.random)()).await;
        if let Err(error) = finished {
            tracing::error!(%error, tenant_id = %scope.tenant(), "a revocation could not be finished");
            report.errors += 1;
        }
    }

    async fn roll_up(
        &self,
        scope: &TenantScope,
        now: Timestamp,
        report: &mut RollUpReport,
    ) -> Result<Figures, StoreError> {
        let tenant = self.store.tenant(scope);
        let pools = all_pools(&tenant).await?;
        let queues: Vec<_> = pools
            .iter()
            .map(|pool| PoolQueues {
                pool_name: pool.pool_name.clone(),
                ready_shards: pool.ready_shards,
            })
            .collect();
        let rolled = tenant.roll_up(now, &queues).await?;
        report.pools += pools.len();
        let mut figures = Figures::of(&rolled);
        let capacities = capacities(&rolled.agents);
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
            let Some(statistics) = rolled.pools.get(&pool.pool_name) else {
                continue;
            };
            let capacity = capacities.get(&pool.pool_name).copied().unwrap_or_default();
            let signal = signal(pool, statistics, capacity, now);
            let write_id = WriteId::new((self.random)());
            tenant.record_scaling(pool, &signal, now, &write_id).await?;
            figures.add_pool(pool, &signal, statistics.agents);
        }
        // Read for the metrics alone.
        if self.sink.is_on() {
            figures.deployments_active = tenant.deployment_counts(now).await?.active;
        }
        Ok(figures)
    }
}

/// How many agents the pool should have.
fn signal(pool: &Pool, statistics: &Statistics, capacity: u64, now: Timestamp) -> Scaling {
    let load = Load {
        queued: statistics.queued,
        running: statistics.claimed + statistics.running,
        capacity,
        agents: statistics.agents.healthy + statistics.agents.degraded,
        oldest_wait_seconds: statistics.oldest_wait_seconds,
    };
    scaling(pool, &load, now)
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

/// How many jobs the agents of each pool that take work run at a time, together.
fn capacities(agents: &[AgentEntry]) -> BTreeMap<PoolName, u64> {
    let mut capacities = BTreeMap::<_, u64>::new();
    for agent in agents {
        if matches!(agent.standing, AgentStatus::Healthy | AgentStatus::Degraded) {
            *capacities.entry(agent.pool_name.clone()).or_default() +=
                u64::from(agent.max_concurrent_jobs);
        }
    }
    capacities
}
