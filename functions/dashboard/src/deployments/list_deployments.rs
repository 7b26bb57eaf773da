//! Lists deployments.

use super::{DeploymentList, view};
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::DeploymentFilter;
use utoipa::IntoParams;
use web::{Listing, PageParams, Problem};
use wire::{Check, DeploymentStatus, ServiceName};

/// Which deployments to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filters {
    /// Those of this service.
    service_name: Option<ServiceName>,
    /// Those in this status.
    status: Option<DeploymentStatus>,
}

impl Check for Filters {}

/// List deployments, newest first.
///
/// A page looks at up to 500 deployments to find those that are asked for.
#[utoipa::path(
    get,
    path = "/api/dashboard/deployments",
    tag = "deployments",
    params(Filters, PageParams),
    responses((status = 200, description = "A page of deployments.", body = DeploymentList))
)]
pub(crate) async fn list_deployments(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<Filters>,
) -> Result<Json<DeploymentList>, Problem> {
    let filter = DeploymentFilter {
        service: list.filters.service_name.clone(),
        status: list.filters.status,
    };
    Ok(Json(page(&api, &caller, &list, &filter).await?))
}

/// A page of the deployments that the filter lets through.
pub(super) async fn page<T>(
    api: &Api,
    caller: &Caller,
    list: &Listing<T>,
    filter: &DeploymentFilter,
) -> Result<DeploymentList, Problem> {
    let after = list.position(caller.tenant())?;
    let page = api
        .store
        .tenant(&caller.scope)
        .deployments(filter, list.limit as usize, after.as_ref())
        .await
        .or_problem()?;
    Ok(DeploymentList {
        deployments: page.deployments.iter().map(view).collect(),
        next_cursor: list.next_cursor(caller.tenant(), page.next.as_ref()),
    })
}
