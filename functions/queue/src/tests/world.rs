//! A control plane for one test: the queue's routes, a store in memory, a clock that stands still.

use auth::{Api, Environment, Scope, Token};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use axum::Router;
use axum::body::Body;
use domain::agent::{Event, Introduction, Metrics};
use embedded_dynamodb::{Call, Engine, Fault};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{
    AgentOutcome, CredentialKind, KeyId, NewAgentKey, NewApiToken, Revocation, Store, Tables,
    TenantScope,
};
use telemetry::Meter;
use tower::ServiceExt;
use web::Clock;
use wire::{AgentId, PoolName, TenantId, Timestamp};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const JOBS: &str = "/api/queue/jobs";

pub(super) struct World {
    engine: Engine,
    pub(super) api: Api,
    pub(super) scope: TenantScope,
    pub(super) token: String,
    app: Router,
}

/// A registered agent.
pub(super) struct Agent {
    pub(super) id: AgentId,
    pub(super) bearer: String,
    /// The key that it registered with.
    pub(super) key: KeyId,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn job(&self) -> &Value {
        &self.json["job"]
    }

    pub(super) fn job_id(&self) -> String {
        self.json["job"]["job_id"].as_str().unwrap().to_owned()
    }

    pub(super) fn pointers(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().into_iter().flatten();
        errors
            .map(|fault| fault["pointer"].as_str().unwrap())
            .collect()
    }

    /// Status and code of a problem.
    pub(super) fn problem(&self) -> (u16, &str) {
        (
            self.status.as_u16(),
            self.json["code"].as_str().unwrap_or_default(),
        )
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let api = Api::testing(store, Clock::manual(NOW));
        let app = web::app(crate::routes(api.clone()).into_parts().0);
        let scope = tenant(&api, "acme").await;
        let token = token(&api, &scope, &[Scope::JobsRead, Scope::JobsWrite]).await;
        Self {
            engine,
            api,
            scope,
            token,
            app,
        }
    }

    /// The same plane while DynamoDB throttles writes of jobs.
    pub(super) fn throttled(&self) -> Self {
        let client = self.engine.client_with(|call| match call.operation {
            "PutItem" | "UpdateItem" if call.table == Some("jobs") => Fault::Throttle,
            _ => Fault::None,
        });
        self.with_store(Store::new(client, Tables::default(), Meter::default()))
    }

    /// The same plane while every other write of a job takes effect and its answer gets lost. The SDK tries again.
    pub(super) fn forgetful(&self) -> Self {
        let writes = AtomicUsize::new(0);
        let config = self.engine.config_with(move |call| match call.operation {
            "PutItem" | "UpdateItem"
                if call.table == Some("jobs")
                    && writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) =>
            {
                Fault::DropAfter
            }
            _ => Fault::None,
        });
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let client = Client::from_conf(config.retry_config(retries).build());
        self.with_store(Store::new(client, Tables::default(), Meter::default()))
    }

    /// The same plane while calls of DynamoDB meet what `policy` says.
    pub(super) fn with_faults(
        &self,
        policy: impl Fn(&Call<'_>) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let client = self.engine.client_with(policy);
        self.with_store(Store::new(client, Tables::default(), Meter::default()))
    }

    /// What writes have cost so far, in units.
    pub(super) fn write_units(&self) -> f64 {
        self.api.store.meter().total().write_units
    }

    /// The same plane in another process, which remembers nothing of what this one did.
    pub(super) fn elsewhere(&self) -> Self {
        let client = self.engine.client();
        self.with_store(Store::new(client, Tables::default(), Meter::default()))
    }

    fn with_store(&self, store: Store) -> Self {
        let api = Api {
            store,
            ..self.api.clone()
        };
        Self {
            engine: self.engine.clone(),
            app: web::app(crate::routes(api.clone()).into_parts().0),
            api,
            scope: self.scope.clone(),
            token: self.token.clone(),
        }
    }

    pub(super) async fn other_tenant(&self) -> String {
        let scope = tenant(&self.api, "globex").await;
        token(&self.api, &scope, &[Scope::JobsRead, Scope::JobsWrite]).await
    }

    pub(super) async fn admin(&self) -> String {
        token(&self.api, &self.scope, &[Scope::Admin]).await
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.api.clock.advance_seconds(seconds);
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", bearer);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// With the token that may read and write jobs.
    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &self.token, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &self.token, Some(body)).await
    }

    pub(super) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header("authorization", &self.token)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    pub(super) async fn enqueue(&self, changes: Value) -> String {
        let answer = self.post(JOBS, job(changes)).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.job_id()
    }

    pub(super) async fn claim(&self, agent: &Agent, body: Value) -> Answer {
        let answer = self
            .call(Method::POST, "/api/queue/claim", &agent.bearer, Some(body))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer
    }

    pub(super) async fn start(&self, agent: &Agent, job_id: &str, attempt: u32) -> Answer {
        let path = format!("{JOBS}/{job_id}/start");
        let body = json!({"attempt": attempt});
        self.call(Method::PATCH, &path, &agent.bearer, Some(body))
            .await
    }

    pub(super) async fn complete(
        &self,
        agent: &Agent,
        job_id: &str,
        attempt: u32,
        exit_code: i32,
    ) -> Answer {
        let path = format!("{JOBS}/{job_id}/complete");
        let body = json!({"attempt": attempt, "exit_code": exit_code, "duration_seconds": 1.5});
        self.call(Method::PATCH, &path, &agent.bearer, Some(body))
            .await
    }

    pub(super) async fn agent(&self, pool: &str) -> Agent {
        let api = &self.api;
        let now = api.now();
        let pool: PoolName = pool.parse().unwrap();
        let tenant = api.store.tenant(&self.scope);
        tenant
            .ensure_pool(&pool, now, &api.write_id())
            .await
            .unwrap();
        let id = AgentId::new(now, api.entropy.bytes());
        let introduction = Introduction {
            pool_name: pool.clone(),
            version: "0.1.0".parse().unwrap(),
            hostname: None,
            os: None,
            arch: None,
            tags: wire::Tags::new(),
            max_concurrent_jobs: 10,
        };
        let agent = domain::agent::Agent::register(id.clone(), introduction, now);
        tenant.add_agent(&agent, &api.write_id()).await.unwrap();
        let key = self.agent_key(&pool).await;
        let session = Token::issue_session(Environment::Test, &key, &api.entropy);
        let presented = session.presented.session();
        let end = now.plus_seconds(3600);
        tenant
            .create_agent_session(&presented, &id, &pool, end, now)
            .await
            .unwrap();
        let bearer = session.bearer();
        Agent { id, bearer, key }
    }

    /// Revokes the key that an agent registered with.
    pub(super) async fn revoke_key(&self, agent: &Agent) {
        let api = &self.api;
        let tenant = api.store.tenant(&self.scope);
        let revoked = tenant
            .revoke_credential(&agent.key, "test", api.now(), || api.entropy.bytes())
            .await
            .unwrap();
        assert_eq!(revoked, Revocation::Revoked);
    }

    /// What reads have cost so far, in units.
    pub(super) fn read_units(&self) -> f64 {
        self.api.store.meter().total().read_units
    }

    async fn agent_key(&self, pool: &PoolName) -> KeyId {
        let api = &self.api;
        let key = Token::issue(Environment::Test, CredentialKind::AgentKey, &api.entropy);
        let new = NewAgentKey {
            key_id: key.presented.key_id.clone(),
            secret_sha256: key.presented.secret_sha256,
            name: "test".to_owned(),
            pool: pool.clone(),
            created_by: "test".to_owned(),
            expires_at: None,
        };
        let tenant = api.store.tenant(&self.scope);
        tenant.create_agent_key(&new, api.now()).await.unwrap();
        key.presented.key_id
    }

    pub(super) async fn direct(&self, agent: &Agent, directive: wire::Directive) {
        self.change(agent, &Event::SetDirective(directive)).await;
    }

    pub(super) async fn heartbeat(&self, agent: &Agent) {
        let metrics = Metrics {
            cpu_percent: 1.0,
            memory_percent: 1.0,
            disk_percent: 1.0,
            uptime_seconds: 1,
        };
        self.change(agent, &Event::Heartbeat(metrics)).await;
    }

    async fn change(&self, agent: &Agent, event: &Event) {
        let (api, tenant) = (&self.api, self.api.store.tenant(&self.scope));
        let changed = tenant
            .change_agent("test", &agent.id, event, api.now(), &api.write_id())
            .await
            .unwrap();
        assert!(matches!(
            changed,
            AgentOutcome::Changed(_) | AgentOutcome::AlreadyDone(_)
        ));
    }
}

/// A valid job with some of its fields changed, or left out where they are null.
pub(super) fn job(changes: Value) -> Value {
    let mut job = json!({
        "job_type": "build",
        "pool_name": "default",
        "git_repo": "https://git.example.com/shop.git",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    });
    let fields = job.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        unreachable!("changes are an object");
    };
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    job
}

async fn tenant(api: &Api, name: &str) -> TenantScope {
    let id = TenantId::parse(name).unwrap();
    api.store.create_tenant(&id, api.now()).await.unwrap()
}

async fn token(api: &Api, scope: &TenantScope, scopes: &[Scope]) -> String {
    let token = Token::issue(Environment::Test, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "test".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_api_token(&new, api.now()).await.unwrap();
    token.bearer()
}
