//! The walk finds what it is there to find.

use super::*;

#[tokio::test]
async fn a_walk_over_guarded_routes_finds_nothing() {
    let world = world().await;
    let (router, document) = routes(world.api.clone()).into_parts();
    let found = world.walk(router, &document).await;
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_walk_finds_a_route_whose_guard_is_missing_or_another() {
    let world = world().await;
    let (_, document) = routes(world.api.clone()).into_parts();
    let open = Router::new()
        .route("/health", axum::routing::get(health))
        .route("/api/jobs/{id}", axum::routing::get(async || "{}"))
        .with_state(world.api.clone());
    let others = Routes::new(world.api.clone())
        .route(Access::people(Scope::JobsRead), routes!(create_job))
        .route(Access::agent(Scope::QueueClaim), routes!(end))
        .route(Access::people(Scope::Admin), routes!(claim))
        .route(Access::agent_key(Scope::AgentsHeartbeat), routes!(register));
    let found = world
        .walk(open.merge(others.into_parts().0), &document)
        .await;
    for (route, what) in [
        ("GET /api/jobs/{id}", "without a credential: 200"),
        (
            "GET /api/jobs/{id}",
            "with a token for deployments:read only: 200",
        ),
        ("GET /api/jobs/{id}", "with an agent key: 200"),
        ("POST /api/jobs", "does not let jobs:write in: 403"),
        ("POST /api/jobs", "with a token for jobs:read only: 200"),
        ("POST /api/claim", "does not let an agent session in: 403"),
        (
            "POST /api/agents/{id}/end",
            "another agent of the tenant has changed something",
        ),
        ("POST /api/register", "does not let an agent key in: 403"),
    ] {
        assert!(
            found
                .iter()
                .any(|violation| violation.route == route && violation.what.starts_with(what)),
            "{route}: {what}: {found:#?}"
        );
    }
    assert!(
        !found
            .iter()
            .any(|violation| violation.route == "GET /health")
    );
}

#[tokio::test]
async fn a_walk_finds_a_leak_between_tenants_and_what_nobody_declares() {
    #[utoipa::path(get, path = "/api/jobs/{id}", params(("id" = JobId, Path)), responses((status = 200)))]
    async fn leaky(_caller: Caller, ApiPath(id): ApiPath<JobId>) -> Result<Json<JobId>, Problem> {
        if id == the_job() {
            Ok(Json(id))
        } else {
            Err(Problem::not_found("job"))
        }
    }
    #[utoipa::path(get, path = "/api/things/{id}", responses((status = 200)))]
    async fn unsampled() {}
    let world = world().await;
    let (router, mut document) = Routes::new(world.api.clone())
        .route(Access::people(Scope::JobsRead), routes!(leaky))
        .route(Access::people(Scope::JobsRead), routes!(unsampled))
        .public(routes!(health))
        .into_parts();
    let health = document.paths.paths.get_mut("/health").unwrap();
    health.get.as_mut().unwrap().extensions = None;
    let found = world.walk(router, &document).await;
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "GET /api/jobs/{id}: another tenant's token can tell a thing that exists (200) from one that does not (404)",
            "GET /api/jobs/{id}: another tenant's owner can tell a thing that exists (200) from one that does not (404)",
            "GET /api/things/{id}: there is no sample of the thing that its path names",
            "GET /health: does not declare who may call it",
        ]
    );
}
