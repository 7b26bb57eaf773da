//! Deletes a pool that is not in use.

use super::PoolSettings;
use auth::{Action, Api, Audited, Caller, Change, OrProblem, Resource};
use axum::extract::State;
use domain::pool::Pool;
use http::StatusCode;
use web::{ApiPath, Problem, ProblemCode};
use wire::PoolName;

/// Delete a pool.
///
/// Only one without agents and without jobs that have not ended, whose line was not widened. Whoever uses its name
/// afterwards creates it anew.
#[utoipa::path(
    delete,
    path = "/api/agents/pools/{name}",
    tag = "pools",
    params(("name" = PoolName, Path, description = "The pool.")),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete_pool(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<PoolName>,
) -> Result<StatusCode, Problem> {
    let delete = async {
        let pool = delete(&api, &caller, &name).await?;
        let change = Change::new().before(&PoolSettings::of(&pool));
        Ok(Audited::Changed(StatusCode::NO_CONTENT, change))
    };
    let subject = (Action::PoolDelete, Resource::pool(&name));
    api.audited(&caller, subject, delete).await
}

/// Deletes it. The pool as it was.
async fn delete(api: &Api, caller: &Caller, name: &PoolName) -> Result<Pool, Problem> {
    let tenant = api.store.tenant(&caller.scope);
    let pool = tenant.pool(name).await.or_problem()?;
    let pool = pool.ok_or_else(|| Problem::not_found("pool"))?;
    if pool.ready_shards > 1 {
        return Err(Problem::conflict(
            ProblemCode::NotEmpty,
            "the pool's line has several partitions, and a job may be on its way to any of them; disable the pool instead",
        ));
    }
    let in_use =
        |what: &str| Problem::conflict(ProblemCode::NotEmpty, format!("the pool has {what}"));
    if !tenant
        .live_agents(Some(name))
        .await
        .or_problem()?
        .is_empty()
    {
        return Err(in_use("agents; deregister them first"));
    }
    if tenant.has_open_jobs(name).await.or_problem()? {
        return Err(in_use("jobs that have not ended; cancel them first"));
    }
    if tenant.delete_pool(&pool).await.or_problem()? {
        Ok(pool)
    } else {
        Err(Problem::conflict(
            ProblemCode::Contended,
            "somebody changed the pool at the same time; nothing was deleted, try again",
        ))
    }
}
