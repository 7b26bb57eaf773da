//! A relay with secrets in files, a queue in this process, a clock that stands still, and a journal that is kept.

use axum::Router;
use axum::body::Body;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hybrid_relay::{Clock, Identity, Journal, Line, Parts, Relay, Settings, Tools, Vault, router};
use queues::{LocalQueues, Queue};
use serde_json::Value;
use sha2::{Sha256, Sha512};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;
use wire::relay::{Envelope, RelayEvent, RelayInstance, signed_bytes};
use wire::{KeyName, RelayId, Timestamp};

pub(crate) const SECRET: &str = "s3cret-of-this-tool";
pub(crate) const KEY: [u8; 32] = [7; 32];
/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600_000;

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) relay: Relay,
    pub(crate) router: Router,
    pub(crate) queue: Queue,
    pub(crate) lines: Arc<Mutex<Vec<Line>>>,
    pub(crate) now: Arc<AtomicI64>,
}

/// An answer of the relay.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn event_id(&self) -> String {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{self:?}");
        self.json()["event_id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn identity() -> Identity {
    let relay = RelayId::parse("relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap();
    Identity::new(relay, KeyName::parse("k7f3q9zab2cd").unwrap(), KEY)
}

/// The variables of a relay whose secrets are files of that directory.
pub(crate) fn variables(directory: &Path) -> BTreeMap<String, String> {
    let at = directory.display();
    let tools = [
        "github",
        "gitlab",
        "bitbucket",
        "gitea",
        "jenkins",
        "terraform",
        "prometheus",
    ];
    let secrets: Vec<_> = tools
        .iter()
        .map(|tool| format!("{tool}=file://{at}/secret"))
        .collect();
    [
        ("URL", "http://127.0.0.1:9".to_owned()),
        ("IDENTITY", format!("file://{at}/identity.json")),
        ("QUEUE_PROVIDER", "LOCAL".to_owned()),
        ("QUEUE", "inbound".to_owned()),
        ("SECRETS", secrets.join(",")),
    ]
    .into_iter()
    .map(|(name, value)| (format!("HYBRID_RELAY_{name}"), value))
    .collect()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With more variables, in which `{dir}` is the directory with the secrets.
    pub(crate) fn with(more: &[(&str, &str)]) -> Self {
        let queue = Queue::Local(LocalQueues::default().queue("inbound"));
        Self::with_queue(more, queue)
    }

    pub(crate) fn with_queue(more: &[(&str, &str)], queue: Queue) -> Self {
        use secrecy::ExposeSecret;
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "secret", SECRET);
        write(directory.path(), "key", "a key of the customer's own");
        write(
            directory.path(),
            "identity.json",
            identity().to_json().expose_secret(),
        );
        let mut variables = variables(directory.path());
        let at = directory.path().display().to_string();
        for (name, value) in more {
            variables.insert(format!("HYBRID_RELAY_{name}"), value.replace("{dir}", &at));
        }
        let settings = Settings::read(&|name| variables.get(name).cloned(), None).unwrap();
        let tools = Tools::load(settings.tools_directory.as_deref()).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let now = Arc::new(AtomicI64::new(NOW));
        let (kept, clock) = (lines.clone(), now.clone());
        let relay = Relay::new(Parts {
            settings,
            tools,
            vault: vault(),
            queue: queue.clone(),
            journal: Journal::new(move |line| kept.lock().unwrap().push(line.clone())),
            clock: Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed))),
            instance: RelayInstance::parse("0123456789abcdef0123456789abcdef").unwrap(),
        });
        Self {
            directory,
            router: router(relay.clone()),
            relay,
            queue,
            lines,
            now,
        }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.directory.path(), name, text);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// Posts a delivery, signed as the tool signs.
    pub(crate) async fn deliver(&self, tool: &str, headers: &Headers, body: &[u8]) -> Answer {
        let mut headers = headers.clone();
        let (name, value) = signature(tool, SECRET, body);
        headers.insert(name.to_owned(), value);
        self.send(post(tool, &headers, body.to_vec())).await
    }

    /// What is on the queue, each verified with the relay's key, and taken away.
    pub(crate) async fn events(&self) -> Vec<RelayEvent> {
        let messages = self.queue.receive(10, Duration::ZERO).await.unwrap();
        let mut events = Vec::new();
        for message in messages {
            assert!(message.body.len() <= wire::relay::MAX_MESSAGE_BYTES);
            events.push(opened(&message.body));
            self.queue.delete(&message.receipt).await.unwrap();
        }
        events
    }

    /// The journal as it would be written, one JSON value a line; the start is left out.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let values = lines
            .iter()
            .skip(1)
            .map(|line| serde_json::to_value(line).unwrap());
        values.collect()
    }
}

pub(crate) fn vault() -> Vault {
    Vault::default()
}

fn write(directory: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Verifies an envelope as the control plane does.
fn opened(body: &str) -> RelayEvent {
    let envelope: Envelope = serde_json::from_str(body).unwrap();
    let payload = BASE64.decode(envelope.payload.as_bytes()).unwrap();
    let signature = BASE64.decode(envelope.signature.as_bytes()).unwrap();
    let message = signed_bytes(&envelope.relay_id, &envelope.key_id, &payload);
    SigningKey::from_bytes(&KEY)
        .verifying_key()
        .verify_strict(&message, &Signature::from_slice(&signature).unwrap())
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}

pub(crate) type Headers = BTreeMap<String, String>;

pub(crate) fn headers(pairs: &[(&str, &str)]) -> Headers {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn post(tool: &str, headers: &Headers, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(format!("/relay/webhooks/{tool}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body.into()).unwrap()
}

/// The header that a tool signs a body with.
pub(crate) fn signature(tool: &str, secret: &str, body: &[u8]) -> (&'static str, String) {
    let sha256 = || {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        HEXLOWER.encode(&mac.chain_update(body).finalize().into_bytes())
    };
    match tool {
        "github" => ("X-Hub-Signature-256", format!("sha256={}", sha256())),
        "bitbucket" => ("X-Hub-Signature", format!("sha256={}", sha256())),
        "gitea" => ("X-Gitea-Signature", sha256()),
        "gitlab" => ("X-Gitlab-Token", secret.to_owned()),
        "jenkins" => ("X-Jenkins-Token", secret.to_owned()),
        "prometheus" => ("Authorization", format!("Bearer {secret}")),
        "terraform" => {
            let mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
            let digest = mac.chain_update(body).finalize().into_bytes();
            ("X-TFE-Notification-Signature", HEXLOWER.encode(&digest))
        }
        other => panic!("{other}"),
    }
}
