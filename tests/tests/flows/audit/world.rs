//! A control plane, and everything that can be changed in it.

use super::SHA;
use crate::plane;
use auth::{Api, Scope, Token};
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use maintenance::Maintenance;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{AuditFilter, CredentialKind, NewAgentKey, NewApiToken, TenantScope};
use tower::ServiceExt;
use wire::TenantId;
use wire::audit::{Action, Record};

/// Of the secret key of 32 ones.
const PUBLIC_KEY: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";

/// The control plane in this process, with an administrator.
pub(crate) struct World {
    pub(super) api: Api,
    app: Router,
    scope: TenantScope,
    pub(crate) admin: String,
    pub(super) performed: BTreeSet<String>,
}

impl World {
    pub(super) async fn new() -> Self {
        let api = plane::api().await;
        let app = web::app(plane::routes(&api).into_parts().0);
        Self::on(api, app, "acme").await
    }

    /// An administrator of that tenant, on a control plane that there is.
    pub(crate) async fn on(api: Api, app: Router, tenant: &str) -> Self {
        let tenant = TenantId::parse(tenant).unwrap();
        let scope = api.store.create_tenant(&tenant, api.now()).await.unwrap();
        let admin = administrator(&api, &scope).await;
        Self {
            api,
            app,
            scope,
            admin,
            performed: BTreeSet::new(),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        body: Option<Value>,
    ) -> (u16, String) {
        let request = Request::builder()
            .method(method.to_uppercase().as_str())
            .uri(path)
            .header("authorization", bearer)
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A call that succeeds.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, text) = self.send(method, path, &self.admin, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What was recorded once maintenance has passed: it records registrations.
    pub(super) async fn records(&self) -> Vec<Record> {
        let tenant = self.api.store.tenant(&self.scope);
        let later = self.api.now().plus_seconds(61);
        tenant
            .complete_stale_intents(later, || self.api.entropy.bytes())
            .await
            .unwrap();
        let page = tenant
            .audit_records(&AuditFilter::default(), 1_000, None)
            .await
            .unwrap();
        page.records
    }

    /// Performs a change of which there has to be exactly one record, of that action and about that thing.
    async fn change(
        &mut self,
        operation: &str,
        id: &str,
        body: Option<Value>,
        action: Action,
    ) -> Value {
        let admin = self.admin.clone();
        self.change_as(&admin, (operation, id), body, action).await
    }

    async fn change_as(
        &mut self,
        bearer: &str,
        (operation, id): (&str, &str),
        body: Option<Value>,
        action: Action,
    ) -> Value {
        let before = self.records().await.len();
        let (method, template) = operation.split_once(' ').unwrap();
        let path = ["{id}", "{name}", "{key_id}"]
            .iter()
            .fold(template.to_owned(), |path, name| path.replace(name, id));
        let (status, text) = self.send(method, &path, bearer, body).await;
        assert!((200..300).contains(&status), "{operation}: {text}");
        let records = self.records().await;
        assert_eq!(records.len(), before + 1, "{operation}");
        let record = &records[0];
        assert_eq!(record.action, action.as_str(), "{operation}");
        if !id.is_empty() {
            assert!(record.resource.ends_with(&format!(":{id}")), "{record:?}");
        }
        let hashes = (
            record.before_sha256.is_some(),
            record.after_sha256.is_some(),
        );
        let expected = match action {
            Action::QueueSweep
            | Action::AgentKeyRevoke
            | Action::EnrolmentRevoke
            | Action::SigningKeyRevoke
            | Action::TrustRuleDelete
            | Action::RelayEnrol
            | Action::RelayRotate => (false, false),
            Action::PoolDelete | Action::RelayDelete => (true, false),
            Action::AgentKeyCreate
            | Action::AgentKeyRotate
            | Action::EnrolmentCreate
            | Action::SigningKeyCreate
            | Action::TrustRuleCreate
            | Action::PoolCreate
            | Action::RelayCreate
            | Action::DeploymentCreate
            | Action::AgentRegister => (false, true),
            _ => (true, true),
        };
        assert_eq!(hashes, expected, "{operation}");
        self.performed.insert(operation.to_owned());
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn job(&self) -> String {
        let job = json!({"job_type": "build", "pool_name": "linux", "git_repo": "https://git.example.com/a", "git_commit_sha": SHA});
        let made = self.call("post", "/api/queue/jobs", Some(job)).await;
        made["job"]["job_id"].as_str().unwrap().to_owned()
    }

    async fn jobs(&mut self) {
        let id = self.job().await;
        let high = Some(json!({"priority": "HIGH"}));
        let priority = "patch /api/queue/jobs/{id}/priority";
        self.change(priority, &id, high, Action::JobReprioritise)
            .await;
        self.change("delete /api/queue/jobs/{id}", &id, None, Action::JobCancel)
            .await;
        let retry = "post /api/queue/jobs/{id}/retry";
        self.change(retry, &id, None, Action::JobRetry).await;
        let cancel = "post /api/dashboard/jobs/{id}/cancel";
        self.change(cancel, &id, None, Action::JobCancel).await;
        let retry = "post /api/dashboard/jobs/{id}/retry";
        self.change(retry, &id, None, Action::JobRetry).await;
        let close = "patch /api/dashboard/jobs/{id}/complete";
        self.change(close, &id, None, Action::JobClose).await;
        let requeue = "post /api/queue/maintenance/requeue-expired";
        self.change(requeue, "", None, Action::QueueSweep).await;
    }

    async fn pools(&mut self) {
        let metal = Some(json!({"pool_name": "metal"}));
        let create = "post /api/agents/pools";
        self.change(create, "", metal.clone(), Action::PoolCreate)
            .await;
        let update = Some(json!({"max_agents": 5}));
        let pool = "patch /api/agents/pools/{name}";
        self.change(pool, "metal", update, Action::PoolUpdate).await;
        let two = Some(json!({"desired_agents": 2}));
        let scale = "post /api/agents/pools/{name}/scale";
        self.change(scale, "metal", two, Action::PoolScale).await;
        let drain = "post /api/agents/pools/{name}/drain";
        self.change(drain, "metal", None, Action::PoolDrain).await;
        let delete = "delete /api/agents/pools/{name}";
        self.change(delete, "metal", None, Action::PoolDelete).await;
    }

    async fn agents(&mut self) {
        let key = agent_key(&self.api, &self.scope).await;
        let agent = Some(json!({"pool_name": "linux", "version": "0.1.0"}));
        let register = ("post /api/agents/register", "");
        let registered = self
            .change_as(&key, register, agent, Action::AgentRegister)
            .await;
        let id = registered["agent_id"].as_str().unwrap().to_owned();
        let pause = Some(json!({"status": "PAUSED"}));
        let status = "patch /api/agents/{id}/status";
        self.change(status, &id, pause, Action::AgentStatus).await;
        let deregister = "post /api/agents/{id}/deregister";
        self.change(deregister, &id, None, Action::AgentDeregister)
            .await;
    }

    async fn deployments(&mut self) {
        let mut ids = Vec::new();
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            let new = Some(
                json!({"service_name": "shop", "service_version": version, "git_commit_sha": SHA}),
            );
            let create = "post /api/dashboard/deployments";
            let made = self.change(create, "", new, Action::DeploymentCreate).await;
            let id = made["deployment"]["deployment_id"].as_str().unwrap();
            ids.push(id.to_owned());
        }
        let job = Some(json!({"job_id": self.job().await}));
        for id in &ids[..2] {
            let stage = "post /api/dashboard/deployments/{id}/staging";
            self.change(stage, id, job.clone(), Action::DeploymentStage)
                .await;
            let promote = "post /api/dashboard/deployments/{id}/production";
            self.change(promote, id, job.clone(), Action::DeploymentPromote)
                .await;
        }
        let back = Some(json!({"to_version": "1.0.0", "reason": "the canary sings"}));
        let roll_back = "post /api/dashboard/deployments/{id}/rollback";
        self.change(roll_back, &ids[1], back, Action::DeploymentRollBack)
            .await;
        let broken = Some(json!({"reason": "the canary sings"}));
        let fail = "post /api/dashboard/deployments/{id}/fail";
        self.change(fail, &ids[2], broken, Action::DeploymentFail)
            .await;
    }

    /// Makes a credential of agents, and takes it away.
    async fn credential(&mut self, path: &str, more: Value, (create, revoke): (Action, Action)) {
        let mut body = json!({"name": "canary", "pool_name": "linux"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let post = format!("post {path}");
        let made = self.change(&post, "", Some(body), create).await;
        let mut views = made.as_object().unwrap().values();
        let id = views.find_map(|view| view["key_id"].as_str());
        let id = id.unwrap().to_owned();
        if create == Action::AgentKeyCreate {
            let rotate = format!("{post}/{{key_id}}/rotate");
            self.change(&rotate, &id, None, Action::AgentKeyRotate)
                .await;
        }
        let delete = format!("delete {path}/{{key_id}}");
        self.change(&delete, &id, None, revoke).await;
    }

    async fn credentials(&mut self) {
        let agent_key = (Action::AgentKeyCreate, Action::AgentKeyRevoke);
        self.credential("/api/agents/keys", json!({}), agent_key)
            .await;
        let enrolment = (Action::EnrolmentCreate, Action::EnrolmentRevoke);
        self.credential("/api/agents/enrolment-tokens", json!({}), enrolment)
            .await;
        let signing = (Action::SigningKeyCreate, Action::SigningKeyRevoke);
        let hmac = json!({"algorithm": "HMAC_SHA256"});
        self.credential("/api/agents/signing-keys", hmac, signing)
            .await;
        let rule = (Action::TrustRuleCreate, Action::TrustRuleDelete);
        let github = json!({
            "issuer": "https://token.actions.githubusercontent.com",
            "claims": {"repository_id": "1", "repository_owner_id": "2"}
        });
        self.credential("/api/agents/trust-rules", github, rule)
            .await;
    }

    async fn relays(&mut self) {
        let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
        let relay =
            json!({"name": "canary", "inbound_queue": {"provider": "AWS_SQS", "address": queue}});
        let register = "post /api/relays/register";
        let made = self
            .change(register, "", Some(relay), Action::RelayCreate)
            .await;
        let id = made["relay"]["relay_id"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {}", made["enrolment_token"].as_str().unwrap());
        let enrol = ("post /api/relays/enrol", "");
        let key = Some(json!({ "public_key": PUBLIC_KEY }));
        self.change_as(&bearer, enrol, key, Action::RelayEnrol)
            .await;
        let rotate = "post /api/relays/{id}/rotate-key";
        self.change(rotate, &id, None, Action::RelayRotate).await;
        let rule = json!({"name": "the canary sings", "then": {"action": "IGNORE"}});
        let rules = Some(json!({"tools": {"github": [rule]}}));
        let routing = "put /api/relays/{id}/routing";
        self.change(routing, &id, rules, Action::RelayRouting).await;
        let delete = "delete /api/relays/{id}";
        self.change(delete, &id, None, Action::RelayDelete).await;
    }

    pub(crate) async fn everything(&mut self) {
        self.relays().await;
        self.jobs().await;
        self.pools().await;
        self.agents().await;
        self.deployments().await;
        self.credentials().await;
    }

    /// Passes of maintenance until everything is recorded that there is.
    pub(super) async fn maintain(&self) {
        self.api.clock.advance_seconds(240);
        let (clock, entropy) = (self.api.clock.clone(), self.api.entropy.clone());
        let now = Arc::new(move || clock.now());
        let random = Arc::new(move || entropy.bytes());
        let maintenance = Maintenance::new(self.api.store.clone(), now, random);
        let report = maintenance.roll_up_pass().await;
        assert_eq!(report.errors, 0);
    }

    /// All parts of the export.
    pub(super) async fn export(&self, bearer: &str) -> String {
        let (mut lines, mut from) = (String::new(), 1);
        loop {
            let path = format!("/api/dashboard/audit/export?from_sequence={from}&limit=7");
            let (status, text) = self.send("get", &path, bearer, None).await;
            assert_eq!(status, 200, "{text}");
            if text.is_empty() {
                return lines;
            }
            from += text.lines().count();
            lines.push_str(&text);
        }
    }
}

/// An API token that may do everything.
pub(super) async fn administrator(api: &Api, scope: &TenantScope) -> String {
    let token = Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy);
    let new = NewApiToken {
        key_id: token.presented.key_id.clone(),
        secret_sha256: token.presented.secret_sha256,
        name: "admin".to_owned(),
        scopes: vec![Scope::Admin.to_string()],
        member: None,
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_api_token(&new, api.now()).await.unwrap();
    token.bearer()
}

async fn agent_key(api: &Api, scope: &TenantScope) -> String {
    let key = Token::issue(api.environment, CredentialKind::AgentKey, &api.entropy);
    let new = NewAgentKey {
        key_id: key.presented.key_id.clone(),
        secret_sha256: key.presented.secret_sha256,
        name: "audit".to_owned(),
        pool: "linux".parse().unwrap(),
        created_by: "test".to_owned(),
        expires_at: None,
    };
    let tenant = api.store.tenant(scope);
    tenant.create_agent_key(&new, api.now()).await.unwrap();
    key.bearer()
}
