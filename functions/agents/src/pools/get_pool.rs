//! Shows one pool.

use super::{PoolResponse, response};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use web::{ApiPath, Problem};
use wire::PoolName;

/// Show a pool.
#[utoipa::path(
    get,
    path = "/api/agents/pools/{name}",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    responses((status = 200, description = "The pool.", body = PoolResponse))
)]
pub(crate) async fn get_pool(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
) -> Result<Json<PoolResponse>, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let pool = tenant.pool(&name).await.or_problem()?;
    let pool = pool.ok_or_else(|| Problem::not_found("pool"))?;
    Ok(Json(response(&tenant, &pool, api.now()).await?))
}
