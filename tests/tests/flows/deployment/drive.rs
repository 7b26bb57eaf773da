//! Every route and every pass, with the ways that are seldom taken.

mod agents;
mod caller;
mod jobs;
mod losses;
mod orchestrator;
mod people;
mod relays;
mod tenant;

use super::functions::Functions;
use crate::audit::world::World;
use auth::Limits;
use axum::Router;
use caller::Caller;
use embedded_dynamodb::{Call, Fault};
use people::Person;
use serde_json::{Value, json};
use tenant::{Agent, Tenant};

/// How long it takes until the use of a credential is noted again, and more.
const NOT_NOTED_SECONDS: i64 = 6 * 60;

/// After so many requests a process tells the others of them.
const SHARED_AFTER: usize = 50;

pub(super) async fn everything(functions: &Functions) {
    let (app, _) = functions.serve(Limits::default());
    stories(functions, &app, "acme").await;
    maintained(functions).await;
}

/// What goes on in an organisation.
async fn stories(functions: &Functions, app: &Router, name: &str) {
    let tenant = Tenant::new(functions, app, name).await;
    jobs::lives(functions, &tenant).await;
    jobs::deployments(&tenant).await;
    agents::lives(functions, &tenant, name).await;
    agents::pools(&tenant).await;
    people::lives(functions, app).await;
    relays::lives(functions, &tenant, app).await;
    orchestrator::rounds(functions).await;
    let mut world = World::on(functions.api.clone(), app.clone(), &format!("{name}-b")).await;
    world.everything().await;
    losses::found_by_the_queue(functions, &tenant).await;
    credentials(functions, &tenant, app).await;
    many_requests(&tenant).await;
}

/// What each function is shown: API tokens, people's and agents' sessions, and agents' keys.
async fn credentials(functions: &Functions, tenant: &Tenant, app: &Router) {
    let person = Person::sign_in(functions, app, ("github", "alan"), None).await;
    let new = json!({ "name": "ci", "scopes": ["jobs:read", "agents:read", "agents:enrol"] });
    let token = person
        .itself
        .post(201, "/auth/tokens", new)
        .await
        .text("/api_token");
    let agent = tenant.agent().await;
    // In new processes, of which some see nothing of what was written a moment ago.
    let policies: [fn(&Call<'_>) -> Fault; 5] = [
        |_| Fault::None,
        |_| Fault::Unseen,
        |_| Fault::UnseenIn("people"),
        |_| Fault::UnseenIn("sessions"),
        |_| Fault::UnseenIn("credentials"),
    ];
    for policy in policies {
        let (app, _) = &functions.serve_with(Limits::of_a_laptop(), policy);
        let people = [
            tenant.admin.on(app),
            person.itself.on(app),
            Caller::new(app, &token),
            // It is let in nowhere here, which is found out by a read.
            tenant.key.on(app),
        ];
        show(functions, &people, &agent, app).await;
        let key = tenant.key.on(app);
        key.send("POST /api/agents/register", &tenant::registration())
            .await;
    }
}

/// Shows credentials to each function, whenever their use is to be noted anew.
async fn show(functions: &Functions, people: &[Caller], agent: &Agent, app: &Router) {
    let for_people = [
        "GET /api/queue/stats",
        "GET /api/agents",
        "POST /auth/validate",
        "GET /api/dashboard/summary",
        "GET /api/relays",
    ];
    let own = format!("GET /api/agents/{}", agent.id);
    let for_agents = ["POST /api/queue/claim", own.as_str(), "POST /auth/validate"];
    let agent = agent.itself.on(app);
    let shown = for_people
        .iter()
        .flat_map(|path| people.iter().map(move |who| (path, who)));
    for (operation, who) in shown.chain(for_agents.iter().map(|path| (path, &agent))) {
        functions.api.clock.advance_seconds(NOT_NOTED_SECONDS);
        who.send(operation, &Value::Null).await;
    }
}

/// So many that they are told to other processes.
async fn many_requests(tenant: &Tenant) {
    for path in [
        "/api/queue/stats",
        "/api/agents",
        "/api/dashboard/summary",
        "/api/relays",
    ] {
        for _ in 0..=SHARED_AFTER {
            tenant.admin.get(path).await;
        }
    }
    for _ in 0..=SHARED_AFTER {
        tenant.admin.post(200, "/auth/validate", Value::Null).await;
    }
}

/// What is left to maintenance.
async fn maintained(functions: &Functions) {
    let (app, _) = functions.serve(Limits::of_a_laptop());
    let tenant = Tenant::new(functions, &app, "late").await;
    losses::found_by_maintenance(functions, &tenant).await;
    losses::cut_off(functions, &tenant).await;
}
