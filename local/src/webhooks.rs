//! A customer's side in this process, as far as webhooks go: a relay on the plane's own port, the queue that it puts events
//! on, and the orchestrator that reads them from there. A push to GitHub becomes the job `build`.

use crate::credentials;
use crate::owner::{CALL_TIMEOUT, Owner};
use anyhow::{Context, Result, bail};
use auth::Api;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::post;
use data_encoding::HEXLOWER;
use hybrid_relay::{
    Clock, Identity, Journal, Parts, Relay, Settings, Tools, Vault, enrol, keep_beating,
    new_instance,
};
use orchestrator::{Delivery, Orchestrator, Source};
use queues::{Access, LocalQueues, MAX_RECEIVED, Opener, Queue, SqsAddress};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use telemetry::MetricSink;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tower::ServiceExt;
use web::{Problem, ProblemCode};
use wire::PoolName;
use wire::relay::{QueueReference, RoutingAction, RoutingDocument, VaultReference};

/// The file, in the data directory, that holds the secret that webhooks are signed with.
pub const WEBHOOK_SECRET_FILE: &str = "webhook-secret";

/// The file with the relay's own key.
pub const RELAY_IDENTITY_FILE: &str = "relay-identity.json";

/// Where GitHub is to deliver to.
pub(crate) const WEBHOOKS: &str = "/relay/webhooks/github";

/// When to come again while the relay is not there yet.
const START_RETRY_SECONDS: u32 = 1;

/// The queue that the relay puts events on, in this process.
const EVENTS: &str = "events";
/// The queue that decisions are sent to.
const DECISIONS: &str = "decisions";
/// The same queue at an SQS of one's own, as moto and its kind see it.
const SQS_EVENTS: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/hybrid-local-events";

/// How often queues are read. A deployed orchestrator reads them for 58 s of every minute.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The way in for webhooks. It is there before the relay is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entrance(Arc<OnceLock<Router>>);

impl Entrance {
    /// The route, beside those of the plane.
    pub(crate) fn beside(&self, plane: Router) -> Router {
        let relay = Arc::clone(&self.0);
        let enter = move |request: Request| async move {
            match relay.get() {
                Some(relay) => relay.clone().oneshot(request).await.into_response(),
                None => Problem::new(ProblemCode::Busy, "the relay is about to start")
                    .retry_after(START_RETRY_SECONDS)
                    .into_response(),
            }
        };
        plane.route(WEBHOOKS, post(enter))
    }
}

/// A relay, with what it takes to act on its events.
#[derive(Debug)]
pub(crate) struct Webhooks {
    relay: Relay,
    identity: PathBuf,
    events: QueueReference,
    opener: Opener,
    /// The queue, if it is an SQS: then it triggers the orchestrator, as a customer's queue does that needs no role.
    triggers: Option<(Queue, SqsAddress)>,
}

fn reference(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The secret of webhooks: made once, at random.
fn ensure_secret(path: &Path, api: &Api) -> Result<()> {
    if credentials::read(path)?.is_some() {
        return Ok(());
    }
    let secret = HEXLOWER.encode(&api.entropy.bytes::<32>());
    credentials::write(path, &SecretString::from(secret))
}

impl Webhooks {
    /// A relay that knows no control plane yet, with its queue at that SQS, or in this process.
    pub(crate) async fn prepare(
        api: &Api,
        directory: &Path,
        url: &str,
        sqs: Option<String>,
    ) -> Result<Self> {
        let directory =
            std::path::absolute(directory).context("the data directory has no absolute path")?;
        let (identity, secret) = (
            directory.join(RELAY_IDENTITY_FILE),
            directory.join(WEBHOOK_SECRET_FILE),
        );
        ensure_secret(&secret, api)?;
        let (opener, events) = match &sqs {
            None => (Opener::local(LocalQueues::default()), local(EVENTS)),
            Some(endpoint) => (at_sqs(endpoint).await?, sqs_events()),
        };
        let queue = opener.open(&events, &Access::Ambient, SystemTime::now());
        let queue = queue.await.context("the relay's queue")?;
        let lookup = |name: &str| {
            Some(match name.strip_prefix("HYBRID_RELAY_")? {
                "URL" => url.to_owned(),
                "IDENTITY" => reference(&identity),
                "QUEUE_PROVIDER" => events.provider.as_str().to_owned(),
                "QUEUE" => events.address.clone(),
                "SECRETS" => format!("github={}", reference(&secret)),
                _ => return None,
            })
        };
        let all = |faults: Vec<String>| anyhow::Error::msg(faults.join("; "));
        let settings = Settings::read(&lookup, None).map_err(all)?;
        let references = [&identity, &secret].map(|path| VaultReference::parse(&reference(path)));
        let references = references.into_iter().collect::<Result<Vec<_>, _>>()?;
        let vault = Vault::new(&settings.vault, &references)
            .await
            .map_err(all)?;
        let triggers = match sqs {
            None => None,
            Some(_) => Some((
                queue.clone(),
                SqsAddress::parse(&events.address).map_err(anyhow::Error::msg)?,
            )),
        };
        let relay = Relay::new(Parts {
            settings,
            tools: Tools::load(None)?,
            vault,
            queue,
            journal: Journal::new(|line| tracing::info!(relay = ?line.entry)),
            clock: Clock::system(),
            instance: new_instance().map_err(anyhow::Error::msg)?,
        });
        Ok(Self {
            relay,
            identity,
            events,
            opener,
            triggers,
        })
    }

    /// Has the plane know the relay, as a person would, unless it does: registers it, says that a push is to become the job
    /// `build`, and brings its key. Rules that somebody has written stay, also when the relay's queue is another than the last time.
    pub(crate) async fn register(&self, owner: &Owner, pool: &PoolName) -> Result<()> {
        let mut rules = first_rules(pool)?;
        let known = match self.identity()? {
            Some(identity) => owner.relay(identity.relay_id()).await?,
            None => None,
        };
        if let Some(known) = &known {
            let is_first = rules == with_pool(&known.rules, pool);
            if !is_first {
                rules = known.rules.clone();
            }
            if known.inbound_queue == self.events {
                if rules != known.rules {
                    owner.put_rules(&known.id, &rules, known.version).await?;
                }
                return Ok(());
            }
        }
        let (id, token) = owner
            .register_relay(&self.events, &local(DECISIONS))
            .await?;
        owner.put_rules(&id, &rules, 0).await?;
        // The identity takes the place of the one before after all else, because whoever finds it at the next start takes it for
        // done, and finds the rules of the relay before by that one until then.
        let plane = hybrid_relay::Plane::new(owner.url(), false).map_err(anyhow::Error::msg)?;
        let new = self.identity.with_extension("json.new");
        if new.exists() {
            fs::remove_file(&new).context("an identity that was never used")?;
        }
        enrol(&plane, &token, &new).await?;
        fs::rename(&new, &self.identity).context("the relay's identity")?;
        match known {
            Some(known) => owner.delete_relay(&known.id).await,
            None => Ok(()),
        }
    }

    fn identity(&self) -> Result<Option<Identity>> {
        let text = credentials::read(&self.identity)?;
        Ok(text.and_then(|text| Identity::parse(&text)))
    }

    /// Takes webhooks from now on, and starts what is done without a request: heartbeats, and acting on events.
    pub(crate) fn start(
        self,
        api: &Api,
        entrance: &Entrance,
        sink: MetricSink,
        stopped: &watch::Receiver<bool>,
    ) -> Result<Vec<JoinHandle<()>>> {
        let plane =
            hybrid_relay::Plane::new(api.origin.as_str(), false).map_err(anyhow::Error::msg)?;
        // Nobody else opens it.
        let _ = entrance.0.set(hybrid_relay::router(self.relay.clone()));
        let (clock, entropy) = (api.clock.clone(), api.entropy.clone());
        let orchestrator = Orchestrator::new(orchestrator::Parts {
            store: api.store.clone(),
            opener: self.opener,
            now: Arc::new(move || clock.now()),
            random: Arc::new(move || entropy.bytes()),
            limits: api.limits,
        });
        let orchestrator = orchestrator.with_metrics(sink);
        let (relay, reader) = (self.relay, orchestrator.clone());
        let beating = async move { keep_beating(relay, plane).await };
        let polling = async move { poll(&reader).await };
        let mut tasks = vec![
            tokio::spawn(until_stopped(stopped.clone(), beating)),
            tokio::spawn(until_stopped(stopped.clone(), polling)),
        ];
        if let Some((queue, address)) = self.triggers {
            let triggered = async move { be_triggered(&orchestrator, &queue, &address).await };
            tasks.push(tokio::spawn(until_stopped(stopped.clone(), triggered)));
        }
        Ok(tasks)
    }
}

/// A queue in this process.
fn local(name: &str) -> QueueReference {
    QueueReference {
        provider: wire::QueueProvider::Local,
        address: name.to_owned(),
    }
}

/// A push becomes the job `build`.
fn first_rules(pool: &PoolName) -> Result<RoutingDocument> {
    Ok(serde_json::from_value(json!({ "tools": { "github": [{
        "name": "a push is built", "when": { "event": "PUSH" },
        "then": { "action": "ENQUEUE_JOB", "job_type": "build", "pool_name": pool },
    }] } }))?)
}

/// These rules, with all their jobs in that pool.
fn with_pool(rules: &RoutingDocument, pool: &PoolName) -> RoutingDocument {
    let mut rules = rules.clone();
    for rule in rules.tools.values_mut().flatten() {
        if let RoutingAction::EnqueueJob { pool_name, .. } = &mut rule.then {
            *pool_name = pool.clone();
        }
    }
    rules
}

fn sqs_events() -> QueueReference {
    QueueReference {
        provider: wire::QueueProvider::AwsSqs,
        address: SQS_EVENTS.to_owned(),
    }
}

/// An SQS of one's own, such as moto's, with the queue in it.
async fn at_sqs(endpoint: &str) -> Result<Opener> {
    let name = SQS_EVENTS.rsplit('/').next().unwrap_or_default();
    let created = client()?
        .post(endpoint)
        // Nobody looks at the signature there; it says which service is meant.
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        )
        .header("x-amz-target", "AmazonSQS.CreateQueue")
        .header("content-type", "application/x-amz-json-1.0")
        .body(json!({ "QueueName": name }).to_string())
        .send()
        .await
        .with_context(|| format!("the SQS at {endpoint} does not answer"))?;
    if !created.status().is_success() {
        bail!(
            "the SQS at {endpoint} has made no queue: {}",
            created.status()
        );
    }
    let lookup = |name: &str| match name {
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "AWS_ENDPOINT_URL_SQS" => Some(endpoint.to_owned()),
        _ => None,
    };
    let opener =
        Opener::of_function(&lookup).map_err(|faults| anyhow::Error::msg(faults.join("; ")))?;
    Ok(opener.with_local(LocalQueues::default()))
}

fn client() -> Result<Client> {
    let client = Client::builder().timeout(CALL_TIMEOUT).no_proxy().build();
    client.context("cannot make an HTTP client")
}

async fn until_stopped(mut stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stopped.changed() => {}
    }
}

/// Reads the queues that are polled, again and again.
async fn poll(orchestrator: &Orchestrator) {
    let mut tick = interval(POLL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        orchestrator.poll_once().await;
    }
}

/// Hands messages over as SQS does to the functions that it triggers: what they are done with is deleted, and the rest comes
/// back.
async fn be_triggered(orchestrator: &Orchestrator, queue: &Queue, address: &SqsAddress) {
    loop {
        let received = match queue.receive(MAX_RECEIVED, POLL_EVERY).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "the relay's queue cannot be read");
                tokio::time::sleep(POLL_EVERY).await;
                continue;
            }
        };
        let deliveries: Vec<_> = received
            .iter()
            .map(|message| Delivery {
                message_id: message.id.clone(),
                body: message.body.clone(),
                source: Source::Arn(address.arn()),
            })
            .collect();
        let verdicts = orchestrator.handle_batch(&deliveries).await;
        for (message, verdict) in received.iter().zip(verdicts) {
            if verdict.is_done()
                && let Err(error) = queue.delete(&message.receipt).await
            {
                tracing::warn!(%error, "a message was not deleted, and comes back");
            }
        }
    }
}
