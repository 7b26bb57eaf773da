//! Creates a pool.

use super::{PoolResponse, PoolSettings, response};
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::Json;
use axum::extract::State;
use domain::pool::{MAX_AGENTS, MAX_READY_SHARDS, Pool};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use web::{ApiJson, IdempotencyKey, Problem, ProblemCode};
use wire::{Check, Fault, PoolName, ShortText, check_range};

/// A pool to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePoolRequest {
    /// Its name.
    pool_name: PoolName,
    /// Where it runs.
    region: Option<ShortText>,
    /// Where in the region.
    zone: Option<ShortText>,
    /// How many agents it has at least, 0 to 1,000.
    #[serde(default)]
    #[schema(maximum = 1000, default = 0)]
    min_agents: u32,
    /// How many at most, 0 to 1,000, and not less than `min_agents`.
    #[serde(default = "ten")]
    #[schema(maximum = 1000, default = 10)]
    max_agents: u32,
    /// Whether its agents are given work.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
    /// How many partitions its line is spread over, 1 to 8: about 500 jobs a second each. It may only be raised later.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 8, default = 1)]
    ready_shards: u32,
}

const fn one() -> u32 {
    1
}

const fn ten() -> u32 {
    10
}

const fn yes() -> bool {
    true
}

impl Check for CreatePoolRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_range(faults, "/min_agents", self.min_agents, (0, MAX_AGENTS));
        check_range(
            faults,
            "/ready_shards",
            self.ready_shards,
            (1, MAX_READY_SHARDS),
        );
        check_range(
            faults,
            "/max_agents",
            self.max_agents,
            (self.min_agents, MAX_AGENTS),
        );
    }
}

/// Create a pool.
///
/// Pools are also created on first use. The same pool again answers 200; one of that name with other settings is 409.
#[utoipa::path(
    post,
    path = "/api/agents/pools",
    tag = "pools",
    request_body = CreatePoolRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Accepted and not needed: the name says which pool is meant.")),
    responses(
        (status = 201, description = "The pool.", body = PoolResponse),
        (status = 200, description = "It had been created with these settings before.", body = PoolResponse),
    )
)]
pub(crate) async fn create_pool(
    State(api): State<Api>,
    caller: Caller,
    _key: Option<IdempotencyKey>,
    ApiJson(request): ApiJson<CreatePoolRequest>,
) -> Result<(StatusCode, Json<PoolResponse>), Problem> {
    let now = api.now();
    let tenant = api.store.tenant(&caller.scope);
    let new = Pool {
        region: request.region,
        zone: request.zone,
        min_agents: request.min_agents,
        max_agents: request.max_agents,
        desired_agents: request.min_agents,
        enabled: request.enabled,
        ready_shards: request.ready_shards,
        ..Pool::new(request.pool_name, now)
    };
    let create = async {
        let write_id = api.write_id();
        match tenant.create_pool(&new, &write_id).await.or_problem()? {
            None => {
                let change = Change::new().after(&PoolSettings::of(&new));
                Ok(Audited::Changed((StatusCode::CREATED, new.clone()), change))
            }
            Some(there) if same_settings(&there, &new) => {
                Ok(Audited::Unchanged((StatusCode::OK, there)))
            }
            Some(_) => Err(Problem::conflict(
                ProblemCode::AlreadyExists,
                "there is a pool of that name with other settings; PATCH changes it",
            )),
        }
    };
    let subject = (Action::PoolCreate, Resource::pool(&new.pool_name));
    let (status, pool) = api.audited(&caller, subject, create).await?;
    Ok((status, Json(response(&tenant, &pool, now).await?)))
}

fn same_settings(there: &Pool, new: &Pool) -> bool {
    there.region == new.region
        && there.zone == new.zone
        && there.min_agents == new.min_agents
        && there.max_agents == new.max_agents
        && there.enabled == new.enabled
        && there.ready_shards == new.ready_shards
}
