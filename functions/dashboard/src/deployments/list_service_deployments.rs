//! Lists the deployments of one service.

use super::DeploymentList;
use super::list_deployments::page;
use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use store::DeploymentFilter;
use utoipa::IntoParams;
use web::{ApiPath, Listing, PageParams, Problem};
use wire::{Check, DeploymentStatus, ServiceName};

/// Which deployments of the service to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfServiceFilters {
    /// Those in this status.
    status: Option<DeploymentStatus>,
}

impl Check for OfServiceFilters {}

/// List the deployments of a service, newest first.
#[utoipa::path(
    get,
    path = "/api/dashboard/services/{name}/deployments",
    tag = "deployments",
    params(("name" = ServiceName, Path, description = "The service."), OfServiceFilters, PageParams),
    responses((status = 200, description = "A page of deployments.", body = DeploymentList))
)]
pub(crate) async fn list_service_deployments(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<ServiceName>,
    list: Listing<OfServiceFilters>,
) -> Result<Json<DeploymentList>, Problem> {
    of_service(&api, &caller, name, &list).await
}

/// List the deployments of a service, newest first.
///
/// The same as `GET /api/dashboard/services/{name}/deployments`.
#[utoipa::path(
    get,
    path = "/api/dashboard/deployments/service/{service_name}",
    tag = "deployments",
    params(("service_name" = ServiceName, Path, description = "The service."), OfServiceFilters, PageParams),
    responses((status = 200, description = "A page of deployments.", body = DeploymentList))
)]
pub(crate) async fn list_deployments_of_service(
    State(api): State<Api>,
    caller: Caller,
    ApiPath(name): ApiPath<ServiceName>,
    list: Listing<OfServiceFilters>,
) -> Result<Json<DeploymentList>, Problem> {
    of_service(&api, &caller, name, &list).await
}

async fn of_service(
    api: &Api,
    caller: &Caller,
    name: ServiceName,
    list: &Listing<OfServiceFilters>,
) -> Result<Json<DeploymentList>, Problem> {
    let filter = DeploymentFilter {
        service: Some(name.clone()),
        status: list.filters.status,
    };
    let page = page(api, caller, list, &filter).await?;
    // A service that has deployments exists; the index may not show its first one yet.
    if page.deployments.is_empty() {
        let service = api.store.tenant(&caller.scope).service(&name).await;
        let service = service.or_problem()?;
        service.ok_or_else(|| Problem::not_found("service"))?;
    }
    Ok(Json(page))
}
