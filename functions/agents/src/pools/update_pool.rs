//! Changes a pool: its settings, its size, whether it is being emptied.

use super::{PoolResponse, change, response};
use auth::{Action, Api, Caller};
use axum::Json;
use axum::extract::State;
use domain::pool::{MAX_AGENTS, MAX_READY_SHARDS, Pool};
use serde::Deserialize;
use utoipa::ToSchema;
use web::{ApiJson, ApiPath, Problem};
use wire::{Check, Fault, PoolName, ShortText, check_range};

/// What to change of a pool. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdatePoolRequest {
    /// Where it runs.
    region: Option<ShortText>,
    /// Where in the region.
    zone: Option<ShortText>,
    /// How many agents it has at least, 0 to 1,000.
    #[schema(maximum = 1000)]
    min_agents: Option<u32>,
    /// How many at most, 0 to 1,000, and not less than `min_agents`.
    #[schema(maximum = 1000)]
    max_agents: Option<u32>,
    /// Whether its agents are given work.
    enabled: Option<bool>,
    /// Whether it is being emptied.
    draining: Option<bool>,
    /// How many partitions its line is spread over, up to 8. It may only be raised.
    #[schema(minimum = 1, maximum = 8)]
    ready_shards: Option<u32>,
}

impl Check for UpdatePoolRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(
            faults,
            "/min_agents",
            self.min_agents.unwrap_or(0),
            (0, MAX_AGENTS),
        );
        check_range(
            faults,
            "/max_agents",
            self.max_agents.unwrap_or(0),
            (0, MAX_AGENTS),
        );
        check_range(
            faults,
            "/ready_shards",
            self.ready_shards.unwrap_or(1),
            (1, MAX_READY_SHARDS),
        );
    }
}

/// How many agents a pool should have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScalePoolRequest {
    /// From `min_agents` to `max_agents` of the pool.
    desired_agents: u32,
}

impl Check for ScalePoolRequest {}

/// Change a pool.
#[utoipa::path(
    patch,
    path = "/api/agents/pools/{name}",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    request_body = UpdatePoolRequest,
    responses((status = 200, description = "The pool.", body = PoolResponse))
)]
pub(crate) async fn update_pool(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
    ApiJson(request): ApiJson<UpdatePoolRequest>,
) -> Result<Json<PoolResponse>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let update = |seen: &Pool| updated(seen, &request);
    let pool = change(&api, &caller, (Action::PoolUpdate, &name), update).await?;
    Ok(Json(response(&tenant, &pool, api.now()).await?))
}

fn updated(seen: &Pool, request: &UpdatePoolRequest) -> Result<Pool, Problem> {
    let mut pool = seen.clone();
    pool.region = request.region.clone().or(pool.region);
    pool.zone = request.zone.clone().or(pool.zone);
    pool.min_agents = request.min_agents.unwrap_or(pool.min_agents);
    pool.max_agents = request.max_agents.unwrap_or(pool.max_agents);
    pool.enabled = request.enabled.unwrap_or(pool.enabled);
    pool.draining = request.draining.unwrap_or(pool.draining);
    pool.ready_shards = request.ready_shards.unwrap_or(pool.ready_shards);
    if pool.max_agents < pool.min_agents {
        let at = if request.max_agents.is_some() {
            "/max_agents"
        } else {
            "/min_agents"
        };
        return Err(Problem::invalid_at(
            at,
            "min_agents must not be above max_agents",
        ));
    }
    if pool.ready_shards < seen.ready_shards {
        return Err(Problem::invalid_at(
            "/ready_shards",
            format!(
                "may only be raised: it is {}, and jobs wait there",
                seen.ready_shards
            ),
        ));
    }
    pool.desired_agents = pool.desired_agents.clamp(pool.min_agents, pool.max_agents);
    Ok(pool)
}

/// Set how many agents a pool should have.
///
/// The auto-scaling signal goes on from there.
#[utoipa::path(
    post,
    path = "/api/agents/pools/{name}/scale",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    request_body = ScalePoolRequest,
    responses((status = 200, description = "The pool.", body = PoolResponse))
)]
pub(crate) async fn scale_pool(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
    ApiJson(request): ApiJson<ScalePoolRequest>,
) -> Result<Json<PoolResponse>, Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let scale = |seen: &Pool| {
        let (low, high) = (seen.min_agents, seen.max_agents);
        if !(low..=high).contains(&request.desired_agents) {
            let detail = format!("must be from {low} to {high}, the pool's own bounds");
            return Err(Problem::invalid_at("/desired_agents", detail));
        }
        Ok(Pool {
            desired_agents: request.desired_agents,
            scaled_at: now,
            ..seen.clone()
        })
    };
    let pool = change(&api, &caller, (Action::PoolScale, &name), scale).await?;
    Ok(Json(response(&tenant, &pool, now).await?))
}

/// Empty a pool: its agents finish what they have and are given nothing more.
///
/// `PATCH` with `draining: false` ends it.
#[utoipa::path(
    post,
    path = "/api/agents/pools/{name}/drain",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    responses((status = 200, description = "The pool.", body = PoolResponse))
)]
pub(crate) async fn drain_pool(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
) -> Result<Json<PoolResponse>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let drain = |seen: &Pool| {
        Ok(Pool {
            draining: true,
            ..seen.clone()
        })
    };
    let pool = change(&api, &caller, (Action::PoolDrain, &name), drain).await?;
    Ok(Json(response(&tenant, &pool, api.now()).await?))
}
