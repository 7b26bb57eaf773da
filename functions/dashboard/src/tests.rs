//! The dashboard's jobs, summary and documents, through its routes on the embedded engine.

mod audit;

use auth::{Api, Environment, Scope, Token};
use axum::Router;
use axum::body::Body;
use domain::agent::{Agent, Introduction};
use domain::job::{Holder, JobEvent};
use embedded_dynamodb::Engine;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use store::{
    ClaimOrder, ClaimWish, CredentialKind, NewApiToken, PoolQueues, Store, Tables, TenantScope,
};
use tower::ServiceExt;
use web::Clock;
use wire::{AgentId, PoolName, TenantId, Timestamp};

const JOBS: &str = "/api/dashboard/jobs";

struct World {
    api: Api,
    scope: TenantScope,
    token: String,
    app: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl World {
    async fn new() -> Self {
        let client = Engine::memory().unwrap().client();
        let store = Store::new(client, Tables::default(), telemetry::Meter::default());
        store.create_tables().await.unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
        let api = Api {
            name: "dashboard",
            version: "0.1.0",
            ..Api::testing(store, clock)
        };
        Self::of(api, "acme").await
    }

    /// The same plane, as an administrator of another tenant.
    async fn other_tenant(&self, name: &str) -> Self {
        Self::of(self.api.clone(), name).await
    }

    async fn of(api: Api, tenant: &str) -> Self {
        let tenant = TenantId::parse(tenant).unwrap();
        let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
        let token = Token::issue(Environment::Test, CredentialKind::ApiToken, &api.entropy);
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: "test".to_owned(),
            scopes: vec![Scope::Admin.to_string()],
            member: None,
            created_by: "test".to_owned(),
            expires_at: None,
        };
        let tenant = api.store.tenant(&scope);
        tenant.create_api_token(&new, api.now()).await.unwrap();
        Self {
            app: web::app(crate::routes(api.clone()).into_parts().0),
            api,
            scope,
            token: token.bearer(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", &self.token)
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    async fn create(&self, changes: Value) -> String {
        let mut job = json!({
            "job_type": "build",
            "git_repo": "https://git.example.com/shop.git",
            "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        });
        for (name, value) in changes.as_object().unwrap() {
            job[name] = value.clone();
        }
        let answer = self.call(Method::POST, JOBS, Some(job)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        self.api.clock.advance_seconds(1);
        answer.json["job"]["job_id"].as_str().unwrap().to_owned()
    }

    /// Claims the first job in line, and has its agent report that exit code.
    async fn run_one(&self, exit_code: i32) {
        let (api, tenant) = (&self.api, self.api.store.tenant(&self.scope));
        let agent_id = AgentId::from_digest([7; 16]);
        let holder = Holder {
            agent_id: agent_id.clone(),
            epoch: 1,
        };
        let wish = ClaimWish {
            pool: &PoolName::default_pool(),
            ready_shards: 1,
            holder: &holder,
            max_jobs: 1,
            order: &ClaimOrder::default(),
        };
        let claimed = tenant
            .claim_jobs(&wish, api.now(), || api.entropy.bytes())
            .await
            .unwrap();
        let job = &claimed.jobs[0];
        let attempt = job.attempt;
        let start = JobEvent::Start {
            agent_id: agent_id.clone(),
            attempt,
        };
        let complete = JobEvent::Complete {
            agent_id,
            attempt,
            exit_code,
            duration_seconds: 1.0,
            cause: None,
            logs_url: None,
        };
        for event in [start, complete] {
            tenant
                .change_job("test", &job.job_id, &event, api.now(), &api.write_id())
                .await
                .unwrap();
        }
    }
}

fn ids(answer: &Answer) -> Vec<&str> {
    let jobs = answer.json["jobs"].as_array().unwrap();
    jobs.iter()
        .map(|job| job["job_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_job_created_here_is_in_the_queue_of_the_default_pool() {
    let world = World::new().await;
    let id = world.create(json!({})).await;
    let job = world.get(&format!("{JOBS}/{id}")).await.json;
    assert_eq!(job["job"]["pool_name"], "default");
    assert_eq!(job["job"]["status"], "QUEUED");
    assert_eq!(job["attempts"], json!([]));
    world.run_one(0).await;
    let job = world.get(&format!("{JOBS}/{id}")).await.json;
    assert_eq!(job["job"]["status"], "COMPLETED");
}

#[tokio::test]
async fn a_job_shows_the_history_of_its_attempts() {
    let world = World::new().await;
    let id = world.create(json!({"max_attempts": 2})).await;
    world.run_one(3).await;
    world.api.clock.advance_seconds(5);
    world.run_one(4).await;
    let shown = world.get(&format!("{JOBS}/{id}")).await.json;
    assert_eq!(shown["job"]["status"], "DEAD_LETTERED");
    let attempts = shown["attempts"].as_array().unwrap();
    let codes: Vec<_> = attempts
        .iter()
        .map(|attempt| (&attempt["attempt"], &attempt["exit_code"]))
        .collect();
    assert_eq!(codes, [(&json!(1), &json!(3)), (&json!(2), &json!(4))]);
    let again = world
        .call(Method::POST, &format!("{JOBS}/{id}/retry"), None)
        .await;
    assert_eq!(again.json["job"]["status"], "QUEUED");
}

#[tokio::test]
async fn jobs_are_searched_and_listed_while_they_are_open() {
    let world = World::new().await;
    let done = world.create(json!({"git_ref": "refs/heads/Fix-42"})).await;
    world.run_one(0).await;
    let open = world.create(json!({"job_type": "nightly"})).await;
    assert_eq!(ids(&world.get(JOBS).await), [&open, &done]);
    let list = async |query: &str| world.get(&format!("{JOBS}?{query}")).await;
    assert_eq!(ids(&list("q=fix-42").await), [&done]);
    assert_eq!(ids(&list("q=NIGHT&status=QUEUED").await), [&open]);
    assert_eq!(ids(&list("status=completed").await), [&done]);
    assert_eq!(ids(&world.get(&format!("{JOBS}/running")).await), [&open]);
    for (query, pointer) in [("q=", "/query/q"), ("pool_name=a", "/query/pool_name")] {
        let answer = list(query).await;
        assert_eq!(answer.json["errors"][0]["pointer"], pointer);
    }
    let answer = world.get(&format!("{JOBS}/running?status=QUEUED")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_administrator_closes_and_cancels_jobs_by_hand() {
    let world = World::new().await;
    let close = async |id: &str, body: Option<Value>| {
        let path = format!("{JOBS}/{id}/complete");
        world.call(Method::PATCH, &path, body).await
    };
    let done = world.create(json!({})).await;
    let closed = close(&done, None).await;
    assert_eq!(closed.json["job"]["status"], "COMPLETED");
    let failed = world.create(json!({})).await;
    let closed = close(&failed, Some(json!({"status": "failed"}))).await;
    assert_eq!(closed.json["job"]["status"], "FAILED");
    let refused = close(&done, Some(json!({"status": "QUEUED"}))).await;
    assert_eq!(refused.json["errors"][0]["pointer"], "/status");
    let refused = close(&done, Some(json!({"status": "FAILED"}))).await;
    assert_eq!(refused.json["code"], "illegal_transition");
    let unwanted = world.create(json!({})).await;
    let path = format!("{JOBS}/{unwanted}/cancel");
    let cancelled = world.call(Method::POST, &path, None).await;
    assert_eq!(cancelled.json["job"]["status"], "CANCELLED");
}

#[tokio::test]
async fn the_summary_counts_everything_with_a_few_reads() {
    let world = World::new().await;
    for exit_code in [0, 0, 1] {
        world.create(json!({"max_attempts": 1})).await;
        world.run_one(exit_code).await;
    }
    let newest = world.create(json!({})).await;
    let queues = [PoolQueues {
        pool_name: PoolName::default_pool(),
        ready_shards: 1,
    }];
    let tenant = world.api.store.tenant(&world.scope);
    tenant.roll_up(world.api.now(), &queues).await.unwrap();
    let before = world.api.store.meter().total().calls;
    let summary = world.get("/api/dashboard/summary").await.json;
    let calls = world.api.store.meter().total().calls - before;
    assert!(calls <= 10, "{calls} calls");
    for (field, count) in [
        ("total_jobs", 4),
        ("jobs_completed", 2),
        ("jobs_failed", 1),
        ("jobs_failed_today", 1),
        ("queue_depth", 1),
        ("jobs_running", 0),
        ("total_deployments", 0),
        ("agents_total", 0),
    ] {
        assert_eq!(summary[field], count, "{field}");
    }
    let recent = summary["recent_jobs"].as_array().unwrap();
    assert_eq!((recent.len(), &recent[0]["job_id"]), (4, &json!(newest)));
}

#[tokio::test]
async fn the_summary_reads_no_more_for_more_agents() {
    let world = World::new().await;
    let tenant = world.api.store.tenant(&world.scope);
    let (mut registered, mut units) = (0, Vec::new());
    // The first use of a token is written down.
    world.get("/api/dashboard/summary").await;
    for total in [5, 200] {
        while registered < total {
            registered += 1;
            let now = world.api.now();
            let agent = Agent::register(
                AgentId::from_digest([registered; 16]),
                introduction(),
                now.plus_seconds(if registered <= 2 { -30 } else { 0 }),
            );
            let write_id = world.api.write_id();
            tenant.add_agent(&agent, &write_id).await.unwrap();
            tenant
                .sweep_agent(&agent.agent_id, now, &world.api.write_id())
                .await
                .unwrap();
        }
        tenant.roll_up(world.api.now(), &[]).await.unwrap();
        let before = world.api.store.meter().total();
        let summary = world.get("/api/dashboard/summary").await.json;
        let after = world.api.store.meter().total();
        units.push((
            after.calls - before.calls,
            after.read_units - before.read_units,
        ));
        // Two of them were not heard of for as long as a lease is.
        assert_eq!(summary["agents_total"], total);
        assert_eq!(summary["agents_healthy"], total - 2);
    }
    assert_eq!(units[0], units[1]);
}

fn introduction() -> Introduction {
    Introduction {
        pool_name: PoolName::default_pool(),
        version: "0.1.0".parse().unwrap(),
        hostname: None,
        os: None,
        arch: None,
        tags: wire::Tags::new(),
        max_concurrent_jobs: 1,
    }
}

#[tokio::test]
async fn anybody_may_ask_what_this_is_and_read_its_documents() {
    let world = World::new().await;
    let health = world.get("/health").await;
    assert_eq!(
        health.json,
        json!({"status": "healthy", "version": "0.1.0"})
    );
    let info = world.get("/info").await.json;
    assert_eq!(info["environment"], "test");
    let document = world.get("/api/openapi.json").await;
    assert!(
        document.json["openapi"]
            .as_str()
            .unwrap()
            .starts_with("3.1")
    );
    let page = world.get("/api/docs").await;
    assert!(page.text.contains("/api/queue/claim"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(!policy.contains("unsafe"));
}
