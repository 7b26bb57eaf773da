//! What one tenant's flood is to another: how long the other's requests take, alone and meanwhile. The plane is in this
//! process, with the limits of a deployed one, its database on disk and threads of its own, as each tenant's clients have.

use crate::client::Client;
use crate::report::Report;
use crate::{CLIENTS, on_disk, runtime, timed};
use auth::{Api, Environment, Limits, Origin, Scope, Token, Usage};
use axum::serve::ListenerExt;
use hyper::StatusCode;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{CredentialKind, NewApiToken, Store, Tables};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use web::{Clock, Entropy};
use wire::TenantId;

/// How many requests a latency is taken from: both together stay within the tenant's own limit.
const SAMPLES: usize = 450;

/// What everybody asks for.
const PATH: &str = "/api/queue/stats";

pub(crate) fn measure(report: &mut Report) {
    let server = Server::start();
    let clients = current_thread();
    let mut other = clients.block_on(server.client("other"));
    let mut samples = |name: &str| {
        let samples = clients.block_on(async {
            let mut samples = Vec::with_capacity(SAMPLES);
            for _ in 0..SAMPLES {
                samples.push(timed(other.ok("GET", PATH, None)).await);
            }
            samples
        });
        report.latency(name, samples);
    };
    samples("stats, another tenant is quiet");
    let flood = Flood::start(&server);
    samples("stats, another tenant floods (8 clients)");
    let (granted, refused, took) = flood.stop();
    report.rate("of the flood, served a second", granted, took);
    report.rate("of the flood, refused a second", refused, took);
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A plane with two tenants and more.
struct Server {
    runtime: Runtime,
    api: Api,
    address: String,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let runtime = runtime();
        let (directory, engine) = on_disk();
        let (api, address) = runtime.block_on(async {
            let store = Store::new(
                engine.client(),
                Tables::default(),
                telemetry::Meter::default(),
            );
            store.create_tables().await.unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let api = Api {
                store,
                clock: Clock::system(),
                entropy: Entropy::system(),
                limits: Limits::default(),
                usage: Usage::default(),
                environment: Environment::Test,
                origin: Origin::local(address.port()),
                name: "bench",
                version: "0",
            };
            let router = hybrid_local::router(&api);
            let listener = listener.tap_io(|connection| connection.set_nodelay(true).unwrap());
            tokio::spawn(async move { axum::serve(listener, router).await });
            (api, address.to_string())
        });
        Self {
            runtime,
            api,
            address,
            _directory: directory,
        }
    }

    /// A token of that tenant.
    fn token(&self, tenant: &str) -> String {
        let api = &self.api;
        let token = Token::issue(api.environment, CredentialKind::ApiToken, &api.entropy);
        let new = NewApiToken {
            key_id: token.presented.key_id.clone(),
            secret_sha256: token.presented.secret_sha256,
            name: "bench".to_owned(),
            scopes: vec![Scope::JobsRead.to_string()],
            member: None,
            created_by: "bench".to_owned(),
            expires_at: None,
        };
        self.runtime.block_on(async {
            let id = TenantId::parse(tenant).unwrap();
            let scope = api.store.create_tenant(&id, api.now()).await.unwrap();
            let tenant = api.store.tenant(&scope);
            tenant.create_api_token(&new, api.now()).await.unwrap();
        });
        token.expose().to_owned()
    }

    fn client(&self, tenant: &str) -> impl Future<Output = Client> + use<> {
        let (address, token) = (self.address.clone(), self.token(tenant));
        async move { Client::connect(&address, &token).await }
    }
}

/// Clients of one tenant that ask as fast as they are answered.
struct Flood {
    is_over: Arc<AtomicBool>,
    counts: Arc<[AtomicUsize; 2]>,
    /// How many were served and refused before it was measured, and since when it is.
    before: (usize, usize, Instant),
    thread: JoinHandle<()>,
}

impl Flood {
    /// Begins, and comes back when the tenant is over its limit.
    fn start(server: &Server) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let clients: Vec<_> = (0..CLIENTS).map(|_| server.client("flood")).collect();
        let (stop, counted) = (Arc::clone(&is_over), Arc::clone(&counts));
        let thread = std::thread::spawn(move || {
            let tasks = clients.into_iter().map(|client| {
                let (stop, counted) = (Arc::clone(&stop), Arc::clone(&counted));
                async move {
                    let mut client = client.await;
                    while !stop.load(Ordering::Relaxed) {
                        let (status, _) = client.call("GET", PATH, None).await;
                        let refused = usize::from(status == StatusCode::TOO_MANY_REQUESTS);
                        assert!(status.is_success() || refused == 1, "{status}");
                        counted[refused].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            current_thread().block_on(async {
                for task in tasks.map(tokio::spawn).collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            });
        });
        while counts[1].load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let [granted, refused] = [0, 1].map(|which: usize| counts[which].load(Ordering::Relaxed));
        Self {
            is_over,
            counts,
            before: (granted, refused, Instant::now()),
            thread,
        }
    }

    /// Ends it: how many of its requests were served and refused meanwhile, and how long that was.
    fn stop(self) -> (usize, usize, Duration) {
        let (granted, refused, since) = self.before;
        let took = since.elapsed();
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let count = |which: usize| self.counts[which].load(Ordering::Relaxed);
        (count(0) - granted, count(1) - refused, took)
    }
}
