//! Lists services.

use auth::{Api, Caller, OrProblem};
use axum::Json;
use axum::extract::State;
use domain::deployment::{Service, WasLive};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Listing, PageParams, Problem};
use wire::{Check, DeploymentId, ServiceName, ServiceVersion, Timestamp};

/// No filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

impl Check for NoFilters {}

/// A page of services.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceList {
    /// The services, by name.
    services: Vec<ServiceView>,
    /// The cursor of the next page; null at the end.
    next_cursor: Option<String>,
}

/// A service that is deployed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
struct ServiceView {
    /// Its name.
    service_name: ServiceName,
    /// What is in production, if anything is.
    live: Option<LiveView>,
    /// How many deployments of it were created.
    deployments: u64,
}

/// What a service has in production.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveDeployment)]
struct LiveView {
    /// The deployment.
    deployment_id: DeploymentId,
    /// Its version.
    service_version: ServiceVersion,
    /// When it first went to production.
    production_at: Timestamp,
}

/// List services, by name.
#[utoipa::path(
    get,
    path = "/api/dashboard/services",
    tag = "deployments",
    params(PageParams),
    responses((status = 200, description = "A page of services.", body = ServiceList))
)]
pub(crate) async fn list_services(
    State(api): State<Api>,
    caller: Caller,
    list: Listing<NoFilters>,
) -> Result<Json<ServiceList>, Problem> {
    let after: Option<ServiceName> = list.position(caller.tenant())?;
    let limit = list.limit as usize;
    let services = api
        .store
        .tenant(&caller.scope)
        .services(limit, after.as_ref())
        .await
        .or_problem()?;
    let end = services.last().filter(|_| services.len() >= limit);
    let next_cursor = list.next_cursor(caller.tenant(), end.map(|end| &end.service_name));
    Ok(Json(ServiceList {
        services: services.into_iter().map(view).collect(),
        next_cursor,
    }))
}

fn view(service: Service) -> ServiceView {
    ServiceView {
        service_name: service.service_name,
        live: service.live.map(live),
        deployments: service.deployments,
    }
}

fn live(live: WasLive) -> LiveView {
    LiveView {
        deployment_id: live.deployment_id,
        service_version: live.version,
        production_at: live.live_at,
    }
}
