//! Every function on one database, each with a client of its own whose calls are recorded.

use auth::{Api, Identities, KeyEncryption, Limits};
use auth_function::SignIn;
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use embedded_dynamodb::{Call, Engine, Fault, Recording};
use hybrid_local::Provider;
use maintenance::Maintenance;
use oidc::testing::{FakeIssuer, SigningKey};
use orchestrator::{Orchestrator, Parts};
use queues::{LocalQueues, Opener};
use relays::RoleGuard;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use store::{Store, Tables};
use telemetry::{Meter, MetricSink};
use tokio::sync::watch;
use utoipa::openapi::OpenApi;
use web::Clock;
use wire::Timestamp;

/// Where workloads' tokens come from.
pub(super) const ISSUER: &str = "https://issuer.example.com";

/// What encrypts HMAC keys.
const DATA_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// The names of the functions that are not called over HTTP.
pub(super) const MAINTENANCE: &str = "maintenance";
pub(super) const ORCHESTRATOR: &str = "orchestrator";

/// The routes that have served somebody.
type Called = Arc<Mutex<BTreeSet<String>>>;

async fn note(
    State(called): State<Called>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let route = format!("{} {}", request.method(), path.as_str());
    let response = next.run(request).await;
    if response.status().as_u16() < 400 {
        called.lock().unwrap().insert(route);
    }
    response
}

/// What the calls of one function have needed, and what they were for.
#[derive(Clone)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) recording: Recording,
    pub(super) meter: Meter,
}

/// All functions. Those that serve HTTP stand behind one address, as API Gateway would have them.
pub(super) struct Functions {
    /// What stands outside of the functions and is not recorded: it prepares and looks on.
    pub(super) api: Api,
    pub(super) all: Vec<Function>,
    pub(super) provider: Provider,
    pub(super) issuer_key: SigningKey,
    engine: Engine,
    issuer: FakeIssuer,
    sign_in: SignIn,
    called: Called,
    _stop: watch::Sender<bool>,
}

impl Functions {
    pub(super) async fn start() -> Self {
        let engine = Engine::memory().unwrap();
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await.unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000));
        let api = Api::testing(store, clock.clone());
        let (stop, stopped) = watch::channel(false);
        let origins = [api.origin.as_str().to_owned()];
        let provider = Provider::start(&origins, clock, stopped).await.unwrap();
        let issuer_key = SigningKey::es256("k1");
        let issuer = FakeIssuer::start(ISSUER, &[&issuer_key]).await;
        let names = [
            "queue",
            "agents",
            "auth",
            "dashboard",
            "relays",
            MAINTENANCE,
            ORCHESTRATOR,
        ];
        let all = names.map(|name| Function {
            name,
            recording: Recording::default(),
            meter: Meter::default(),
        });
        Self {
            api,
            all: all.into(),
            sign_in: provider.sign_in().unwrap(),
            provider,
            called: Called::default(),
            issuer_key,
            engine,
            issuer,
            _stop: stop,
        }
    }

    pub(super) fn function(&self, name: &str) -> &Function {
        self.all.iter().find(|it| it.name == name).unwrap()
    }

    /// The functions in new processes, within those limits, and the document of each.
    pub(super) fn serve(&self, limits: Limits) -> (Router, Vec<OpenApi>) {
        self.serve_with(limits, |_| Fault::None)
    }

    /// The same, where calls to DynamoDB meet faults.
    pub(super) fn serve_with(
        &self,
        limits: Limits,
        policy: fn(&Call<'_>) -> Fault,
    ) -> (Router, Vec<OpenApi>) {
        let own = |name: &str| Api {
            store: self.store(self.function(name), policy),
            usage: auth::Usage::default(),
            limits,
            ..self.api.clone()
        };
        let keys = KeyEncryption::parse(DATA_KEY).unwrap();
        let identities = Identities::new(self.issuer.network(), keys);
        let served = [
            queue::routes(own("queue")),
            agents::routes(own("agents"), identities),
            auth_function::routes(own("auth"), self.sign_in.clone()),
            dashboard::routes(own("dashboard")),
            relays::routes(own("relays"), RoleGuard::off()),
        ];
        let parts = served.into_iter().map(auth::Routes::into_parts);
        let (routers, documents): (Vec<_>, Vec<_>) = parts.unzip();
        let all = routers.into_iter().fold(Router::new(), Router::merge);
        let noted = all.layer(from_fn_with_state(self.called.clone(), note));
        (web::app(noted), documents)
    }

    /// The routes that have served somebody, as `GET /api/queue/jobs/{id}`.
    pub(super) fn called(&self) -> BTreeSet<String> {
        self.called.lock().unwrap().clone()
    }

    /// Maintenance, with metrics, for which more is read.
    pub(super) fn maintenance(&self) -> Maintenance {
        let store = self.store(self.function(MAINTENANCE), |_| Fault::None);
        let (clock, entropy) = (self.api.clock.clone(), self.api.entropy.clone());
        let now = Arc::new(move || clock.now());
        let random = Arc::new(move || entropy.bytes());
        let written = Arc::new(Mutex::new(Vec::<u8>::new()));
        Maintenance::new(store, now, random).with_metrics(MetricSink::to("test", written))
    }

    /// The orchestrator, which reads queues in this process.
    pub(super) fn orchestrator(&self, queues: &LocalQueues) -> Orchestrator {
        self.orchestrator_with(Opener::local(queues.clone()))
    }

    /// The same in a process where there are no such queues.
    pub(super) fn orchestrator_without_queues(&self) -> Orchestrator {
        let lookup = |name: &str| {
            let value = if name == "AWS_REGION" {
                "eu-central-1"
            } else {
                "a"
            };
            name.starts_with("AWS_").then(|| value.to_owned())
        };
        self.orchestrator_with(Opener::of_function(&lookup).unwrap())
    }

    fn orchestrator_with(&self, opener: Opener) -> Orchestrator {
        let (clock, entropy) = (self.api.clock.clone(), self.api.entropy.clone());
        Orchestrator::new(Parts {
            store: self.store(self.function(ORCHESTRATOR), |_| Fault::None),
            opener,
            now: Arc::new(move || clock.now()),
            random: Arc::new(move || entropy.bytes()),
            limits: Limits::default(),
        })
    }

    fn store(&self, function: &Function, policy: fn(&Call<'_>) -> Fault) -> Store {
        let client = self
            .engine
            .recorded_by(&function.recording)
            .client_with(policy);
        Store::new(client, Tables::default(), function.meter.clone())
    }
}
