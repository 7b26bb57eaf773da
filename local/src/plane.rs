//! The control plane in this process.

use crate::credentials::{self, Credentials, ENVIRONMENT};
use crate::moto::Starting;
use crate::options::Sqs;
use crate::owner::Owner;
use crate::provider::Provider;
use crate::webhooks::{Entrance, Webhooks};
use crate::{metrics, server};
use anyhow::{Context, Result};
use auth::{Api, Identities, KeyEncryption, Limits, Origin};
use auth_function::SignIn;
use axum::Router;
use embedded_dynamodb::Engine;
use maintenance::Maintenance;
use oidc::Network;
use relays::RoleGuard;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, Tables};
use telemetry::prometheus::Exposed;
use telemetry::{KeptMetrics, Meter, MetricSink};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::openapi::OpenApi;
use web::{Clock, Entropy, Operations};
use wire::PoolName;

/// The name of the database in the data directory.
const DATABASE: &str = "plane.db";

/// How often the plane looks for what is lost, overdue or unstarted.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// How often it rolls up statistics. A deployed plane does it every 30 s.
const ROLL_UP_EVERY: Duration = Duration::from_secs(5);

/// How long it waits for requests under way when it stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running control plane.
#[derive(Debug)]
pub struct Plane {
    address: SocketAddr,
    api: Api,
    credentials: Credentials,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a plane is to be.
#[derive(Debug, Clone)]
pub(crate) struct PlaneOptions {
    pub(crate) port: u16,
    pub(crate) data_dir: PathBuf,
    pub(crate) memory: bool,
    pub(crate) pool: PoolName,
    /// Where the relay's queue is to be.
    pub(crate) sqs: Option<Sqs>,
}

/// Why a plane could not start, where there is something the user can do.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// Another program listens there.
    #[error(
        "port {0} is in use: stop the program that listens there, or choose another port with --port (0 takes a free one)"
    )]
    PortInUse(u16),
}

/// The functions' routers as one, and their document.
fn routes(api: &Api, sign_in: SignIn, identities: Identities) -> (Router, OpenApi) {
    queue::routes(api.clone())
        .merge(agents::routes(api.clone(), identities))
        .merge(auth_function::routes(api.clone(), sign_in))
        .merge(dashboard::routes(api.clone()))
        .merge(relays::routes(api.clone(), RoleGuard::off()))
        .into_parts()
}

/// Every HTTP function behind one router, as callers see it. Nobody can sign in.
pub fn router(api: &Api) -> Router {
    router_with(api, SignIn::none())
}

/// The same, for people whom the providers know.
pub fn router_with(api: &Api, sign_in: SignIn) -> Router {
    router_for(api, sign_in, nobody())
}

/// The same, for agents whose issuers and keys are known as well.
fn router_for(api: &Api, sign_in: SignIn, identities: Identities) -> Router {
    web::app(server::limited(routes(api, sign_in, identities).0))
}

/// The same, with its metrics, and those that were kept of what maintenance has found.
fn router_with_metrics(
    api: &Api,
    sign_in: SignIn,
    identities: Identities,
    kept: KeptMetrics,
) -> Router {
    let (routes, document) = routes(api, sign_in, identities);
    let operations = Operations::new(&document, MetricSink::off());
    let exposed = Exposed {
        environment: ENVIRONMENT.as_str(),
        kept,
        requests: operations.metrics().clone(),
        meter: api.store.meter().clone(),
    };
    // Also a plane that turns requests away says how it is.
    let metrics = metrics::router(exposed, api.clock.clone());
    web::app_with(server::limited(routes).merge(metrics), operations)
}

/// Issuers of the Internet, and no HMAC keys.
fn nobody() -> Identities {
    Identities::new(Network::public(), KeyEncryption::Off)
}

/// The OpenAPI document of every HTTP function.
pub fn document(api: &Api) -> OpenApi {
    routes(api, SignIn::none(), nobody()).1
}

impl Plane {
    /// Starts listening.
    pub(crate) async fn start(options: PlaneOptions) -> Result<Self> {
        let PlaneOptions {
            port,
            data_dir,
            memory,
            pool,
            sqs,
        } = options;
        credentials::prepare_directory(&data_dir)?;
        let listener = listen(port).await?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let engine = if memory {
            Engine::memory()?
        } else {
            Engine::open(data_dir.join(DATABASE))?
        };
        let store = Store::new(engine.client(), Tables::default(), Meter::default());
        store.create_tables().await?;
        let api = Api {
            store,
            clock: Clock::system(),
            entropy: Entropy::system(),
            limits: Limits::of_a_laptop(),
            usage: auth::Usage::default(),
            environment: ENVIRONMENT,
            origin: Origin::local(address.port()),
            name: "hybrid-local",
            version: env!("CARGO_PKG_VERSION"),
        };
        let credentials = credentials::ensure(&api, &data_dir, &pool).await?;
        let (stop, stopped) = watch::channel(false);
        let origins = [api.origin.as_str().to_owned()];
        let provider = Provider::start(&origins, api.clock.clone(), stopped.clone()).await?;
        // What the variables say, as for the function.
        let key_encryption =
            KeyEncryption::from_env().map_err(|faults| anyhow::Error::msg(faults.join("; ")))?;
        let identities = Identities::new(provider.network()?, key_encryption);
        let kept = KeptMetrics::default();
        let sink = MetricSink::kept(ENVIRONMENT.as_str(), kept.clone());
        let router = router_with_metrics(&api, provider.sign_in()?, identities, kept);
        let url = format!("http://{address}");
        let entrance = Entrance::default();
        let router = entrance.beside(router);
        let mut tasks = vec![
            tokio::spawn(server::serve(listener, router, stopped.clone())),
            tokio::spawn(maintain(api.clone(), sink.clone(), stopped.clone())),
        ];
        let owner = Owner::new(url, credentials.api_token.clone())?;
        let webhooks = SetUp {
            api: api.clone(),
            data_dir,
            owner,
            pool,
            entrance,
            sink,
            stopped,
        };
        match (moto(sqs.as_ref()), sqs) {
            // It takes longer to start than anybody should wait for the plane.
            (Some(moto), _) => tasks.push(tokio::spawn(webhooks.with(moto))),
            (None, Some(Sqs::At(url))) => tasks.extend(webhooks.at(Some(url)).await?),
            (None, Some(Sqs::None) | None) => tasks.extend(webhooks.at(None).await?),
        }
        Ok(Self {
            address,
            api,
            credentials,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The state that its functions share.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Takes no more requests, finishes those under way, and closes the database.
    pub(crate) async fn stop(self) {
        // Nobody listening any more means that it has stopped by itself.
        let _ = self.stop.send(true);
        for mut task in self.tasks {
            if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// A moto for the relay's queue, unless that is to be elsewhere. One that is installed and does not work is no reason not to start.
fn moto(sqs: Option<&Sqs>) -> Option<Starting> {
    if sqs.is_some() {
        return None;
    }
    Starting::begin().unwrap_or_else(|error| {
        without_moto(&error);
        None
    })
}

fn without_moto(error: &anyhow::Error) {
    let error = format!("{error:#}");
    tracing::warn!(
        error,
        "moto does not work; the relay's queue is in this process"
    );
}

/// What it takes to set a relay up.
struct SetUp {
    api: Api,
    data_dir: PathBuf,
    owner: Owner,
    pool: PoolName,
    entrance: Entrance,
    sink: MetricSink,
    stopped: watch::Receiver<bool>,
}

impl SetUp {
    /// Sets the relay up, with its queue at that SQS or in this process. What is done without a request.
    async fn at(&self, sqs: Option<String>) -> Result<Vec<JoinHandle<()>>> {
        let prepared = Webhooks::prepare(&self.api, &self.data_dir, self.owner.url(), sqs);
        let webhooks = Box::pin(prepared).await?;
        webhooks.register(&self.owner, &self.pool).await?;
        webhooks.start(&self.api, &self.entrance, self.sink.clone(), &self.stopped)
    }

    /// The same with a moto, as soon as it listens. It goes on until all of that has stopped.
    async fn with(self, moto: Starting) {
        let mut stopped = self.stopped.clone();
        let set_up = async {
            let with_moto = async {
                let moto = moto.listens().await?;
                let tasks = self.at(Some(moto.url().to_owned())).await?;
                anyhow::Ok((Some(moto), tasks))
            };
            match with_moto.await {
                Ok(both) => Ok(both),
                Err(error) => {
                    without_moto(&error);
                    self.at(None).await.map(|tasks| (None, tasks))
                }
            }
        };
        let set_up = tokio::select! {
            set_up = set_up => set_up,
            _ = stopped.changed() => return,
        };
        match set_up {
            Ok((_moto, tasks)) => {
                for task in tasks {
                    // A task that panicked has said so.
                    let _ = task.await;
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "there is no relay");
            }
        }
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(PlaneError::PortInUse(port).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on port {port}")),
    }
}

/// The maintenance function on a timer: on AWS a schedule starts it every minute and it loops inside.
async fn maintain(api: Api, sink: MetricSink, mut stopped: watch::Receiver<bool>) {
    let (clock, entropy) = (api.clock.clone(), api.entropy.clone());
    let maintenance = Maintenance::new(
        api.store.clone(),
        Arc::new(move || clock.now()),
        Arc::new(move || entropy.bytes()),
    );
    let maintenance = maintenance.with_metrics(sink);
    let mut sweep = interval(SWEEP_EVERY);
    let mut roll_up = interval(ROLL_UP_EVERY);
    // After a suspended laptop wakes up, one pass makes good for all that were missed.
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    roll_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = sweep.tick() => { maintenance.sweep_pass().await; }
            _ = roll_up.tick() => { maintenance.roll_up_pass().await; }
            _ = stopped.changed() => return,
        }
    }
}
