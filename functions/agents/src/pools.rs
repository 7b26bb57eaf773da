//! Pools of agents.

mod create_pool;
mod delete_pool;
mod get_pool;
mod get_scaling;
mod list_pools;
mod update_pool;

use auth::{Access, Action, Api, Audited, Caller, Change, OrProblem, Resource, Routes, audited};
use domain::agent::AgentCounts;
use domain::pool::Pool;
use serde::Serialize;
use store::{Outcome, TenantStore};
use utoipa::ToSchema;
use utoipa_axum::routes;
use web::{Problem, ProblemCode};
use wire::{PoolName, ShortText, Timestamp};

/// How often a change is decided anew when somebody else wrote in between.
const MAX_DECISIONS: usize = 3;

/// Adds the routes of pools.
pub(crate) fn add(routes: Routes, read: Access, write: Access) -> Routes {
    routes
        .route(read, routes!(list_pools::list_pools))
        .route(
            write,
            audited(&[Action::PoolCreate], routes!(create_pool::create_pool)),
        )
        .route(read, routes!(get_pool::get_pool))
        .route(
            write,
            audited(&[Action::PoolUpdate], routes!(update_pool::update_pool)),
        )
        .route(
            write,
            audited(&[Action::PoolDelete], routes!(delete_pool::delete_pool)),
        )
        .route(
            write,
            audited(&[Action::PoolScale], routes!(update_pool::scale_pool)),
        )
        .route(
            write,
            audited(&[Action::PoolDrain], routes!(update_pool::drain_pool)),
        )
        .route(read, routes!(get_scaling::get_scaling))
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pool)]
pub(crate) struct PoolView {
    /// Its name.
    pool_name: PoolName,
    /// Where it runs.
    region: Option<ShortText>,
    /// Where in the region.
    zone: Option<ShortText>,
    /// How many agents it has at least.
    min_agents: u32,
    /// How many at most.
    max_agents: u32,
    /// How many it should have now.
    desired_agents: u32,
    /// Whether its agents are given work.
    enabled: bool,
    /// Whether it is being emptied.
    draining: bool,
    /// How many partitions its line is spread over.
    ready_shards: u32,
    /// When it was first used.
    created_at: Timestamp,
    /// How many agents it has, by what they are fit for. Those that were deregistered are not counted.
    agents: AgentCountsView,
}

/// Agents of a pool. One that falls silent is counted as it stood until that is found, within 5 s of the end of its lease.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgentCounts)]
pub(crate) struct AgentCountsView {
    /// Take work.
    healthy: u64,
    /// Take work, and are short of something.
    degraded: u64,
    /// Finish what they have.
    draining: u64,
    /// Wait to be set `HEALTHY`.
    paused: u64,
    /// Were lost, and not heard of since; kept for a day.
    offline: u64,
}

/// What is hashed of a pool for the record: what callers see of it, without its agents.
#[derive(Debug, Serialize)]
struct PoolSettings<'a> {
    pool_name: &'a PoolName,
    region: &'a Option<ShortText>,
    zone: &'a Option<ShortText>,
    min_agents: u32,
    max_agents: u32,
    desired_agents: u32,
    enabled: bool,
    draining: bool,
    ready_shards: u32,
    created_at: Timestamp,
}

impl<'a> PoolSettings<'a> {
    fn of(pool: &'a Pool) -> Self {
        Self {
            pool_name: &pool.pool_name,
            region: &pool.region,
            zone: &pool.zone,
            min_agents: pool.min_agents,
            max_agents: pool.max_agents,
            desired_agents: pool.desired_agents,
            enabled: pool.enabled,
            draining: pool.draining,
            ready_shards: pool.ready_shards,
            created_at: pool.created_at,
        }
    }
}

/// An answer with one pool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolResponse {
    /// The pool.
    pool: PoolView,
}

/// The pool as callers see it.
fn view(pool: &Pool, agents: AgentCounts) -> PoolView {
    PoolView {
        pool_name: pool.pool_name.clone(),
        region: pool.region.clone(),
        zone: pool.zone.clone(),
        min_agents: pool.min_agents,
        max_agents: pool.max_agents,
        desired_agents: pool.desired_agents,
        enabled: pool.enabled,
        draining: pool.draining,
        ready_shards: pool.ready_shards,
        created_at: pool.created_at,
        agents: AgentCountsView {
            healthy: agents.healthy,
            degraded: agents.degraded,
            draining: agents.draining,
            paused: agents.paused,
            offline: agents.offline,
        },
    }
}

/// One pool with its agents counted.
async fn response(
    tenant: &TenantStore<'_>,
    pool: &Pool,
    now: Timestamp,
) -> Result<PoolResponse, Problem> {
    let agents = tenant
        .known_agents(Some(&pool.pool_name), now)
        .await
        .or_problem()?;
    Ok(PoolResponse {
        pool: view(pool, agents.iter().map(|agent| agent.standing).collect()),
    })
}

/// Changes a pool, with a record of it.
async fn change(
    api: &Api,
    caller: &Caller,
    (action, name): (Action, &PoolName),
    decide: impl Fn(&Pool) -> Result<Pool, Problem>,
) -> Result<Pool, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let change = async {
        let (before, after) = write(api, &tenant, name, decide).await?;
        let change = Change::new()
            .before(&PoolSettings::of(&before))
            .after(&PoolSettings::of(&after));
        Ok(Audited::Changed(after, change))
    };
    api.audited(caller, (action, Resource::pool(name)), change)
        .await
}

/// Writes a change of a pool: decided anew if somebody else wrote in between. The pool before and after it.
async fn write(
    api: &Api,
    tenant: &TenantStore<'_>,
    name: &PoolName,
    decide: impl Fn(&Pool) -> Result<Pool, Problem>,
) -> Result<(Pool, Pool), Problem> {
    let seen = tenant.pool(name).await.or_problem()?;
    let mut seen = seen.ok_or_else(|| Problem::not_found("pool"))?;
    for _ in 0..MAX_DECISIONS {
        let changed = decide(&seen)?;
        match tenant
            .update_pool(&seen, changed, &api.write_id())
            .await
            .or_problem()?
        {
            Outcome::Applied(pool) => return Ok((seen, pool)),
            Outcome::Stale(found) => seen = found,
            Outcome::Missing => return Err(Problem::not_found("pool")),
        }
    }
    Err(Problem::conflict(
        ProblemCode::Contended,
        "others changed the pool at the same time; nothing was changed, try again",
    ))
}
