//! Which webhooks are one event, secrets of another kind, and a queue that takes nothing: through the whole relay.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::{Line, Plane, beat, router};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::Request;
use http_body_util::BodyExt;
use queues::{LocalQueues, Sqs, SqsAddress};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::AtomicI64;
use tower::ServiceExt;
use wire::{KeyName, RelayId};

const SECRET: &str = "s3cret-of-this-tool";
const SIGNING: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// 2026-01-01T00:00:00Z, in seconds.
const NOW: i64 = 1_767_225_600;

/// A tool of one's own that signs nothing.
const OWN: &str = "version: 1\ntool: own\nverify: { method: token, header: X-Token }\ndelivery_id: X-Delivery\n\
                   select: { path: $.kind }\nevents:\n  - values: [a]\n    event: CUSTOM\n";

/// A tag is pushed, deleted and pushed again: the first and the third say the same.
const TAG: &[u8] = br#"{"object_kind":"tag_push","ref":"refs/tags/v1","after":"82b3d5ae55f7080f1e6022629cdb57bfae7cccc7",
    "checkout_sha":"5937ac0a7beb003549fc5fd26fc247adbce4a52e","project":{"path_with_namespace":"mike/diaspora"}}"#;

struct World {
    directory: tempfile::TempDir,
    relay: Relay,
    now: Arc<AtomicI64>,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl World {
    fn new() -> Self {
        Self::with_queue(Queue::Local(LocalQueues::default().queue("inbound")))
    }

    /// With secrets in files, and a clock that stands still.
    fn with_queue(queue: Queue) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "secret", SECRET);
        write(directory.path(), "own.yaml", OWN);
        let relay_id = RelayId::parse("relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE").unwrap();
        let identity = Identity::new(relay_id, KeyName::parse("k7f3q9zab2cd").unwrap(), [7; 32]);
        let identity = identity.to_json();
        write(directory.path(), "identity", identity.expose_secret());
        let at = directory.path().display().to_string();
        let of = |tool: &str| format!("{tool}=file://{at}/secret");
        let secrets = ["github", "gitlab", "own"].map(of).join(",");
        let variables = |name: &str| match name {
            "HYBRID_RELAY_URL" => Some("http://127.0.0.1:9".to_owned()),
            "HYBRID_RELAY_IDENTITY" => Some(format!("file://{at}/identity")),
            "HYBRID_RELAY_QUEUE_PROVIDER" => Some("LOCAL".to_owned()),
            "HYBRID_RELAY_QUEUE" => Some("inbound".to_owned()),
            "HYBRID_RELAY_SECRETS" => Some(secrets.clone()),
            _ => None,
        };
        let now = Arc::new(AtomicI64::new(NOW));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (clock, kept) = (now.clone(), lines.clone());
        let relay = Relay::new(Parts {
            settings: Settings::read(&variables, None).unwrap(),
            tools: Tools::load(Some(directory.path())).unwrap(),
            vault: Vault::default(),
            queue,
            journal: Journal::new(move |line| kept.lock().unwrap().push(line.clone())),
            clock: Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed) * 1000)),
            instance: RelayInstance::parse("0123456789abcdef0123456789abcdef").unwrap(),
        });
        Self {
            directory,
            relay,
            now,
            lines,
        }
    }

    fn write(&self, name: &str, text: &str) {
        write(self.directory.path(), name, text);
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The status of the answer, and the event's id or the reason.
    async fn send(&self, tool: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let mut request = Request::post(format!("/relay/webhooks/{tool}"))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let answer = router(self.relay.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let said = body["event_id"].as_str().or(body["code"].as_str());
        (status, said.unwrap().to_owned())
    }

    /// The id of an event that was accepted.
    async fn accepted(&self, tool: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let (status, event_id) = self.send(tool, headers, body).await;
        assert_eq!(status, 202, "{event_id}");
        event_id
    }

    async fn sent(&self) -> u64 {
        let attributes = self.relay.0.queue.attributes().await.unwrap();
        attributes.waiting.unwrap()
    }

    /// How the last webhook was found to be one of before.
    fn last_duplicate(&self) -> Option<Repeated> {
        match self.lines.lock().unwrap().last()?.entry {
            Entry::Duplicate { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

#[tokio::test]
async fn what_gitlab_sends_twice_with_its_token_is_two_events_and_what_it_sends_again_is_one() {
    let world = World::new();
    let token = ("X-Gitlab-Token", SECRET);
    let by_uuid = |id| [token, ("X-Gitlab-Event-UUID", id)];
    let pushed = world.accepted("gitlab", &by_uuid("a"), TAG).await;
    let pushed_again = world.accepted("gitlab", &by_uuid("b"), TAG).await;
    assert_ne!(pushed, pushed_again);
    assert_eq!(world.accepted("gitlab", &by_uuid("a"), TAG).await, pushed);
    assert_eq!(world.last_duplicate(), Some(Repeated::SameDelivery));
    // What one cause brought about has one UUID, and is told apart by its body.
    let other = String::from_utf8(TAG.to_vec()).unwrap().replace("v1", "v2");
    let other = other.as_bytes();
    assert_ne!(world.accepted("gitlab", &by_uuid("a"), other).await, pushed);
    assert_eq!(world.sent().await, 3);
    // Another process knows nothing of it, and makes the same id.
    let process = World::new();
    assert_eq!(process.accepted("gitlab", &by_uuid("a"), TAG).await, pushed);
}

#[tokio::test]
async fn gitlabs_own_key_for_what_it_sends_again_counts_for_more_than_the_uuid() {
    let world = World::new();
    let with = |key, uuid| {
        [
            ("X-Gitlab-Token", SECRET),
            ("Idempotency-Key", key),
            ("X-Gitlab-Event-UUID", uuid),
        ]
    };
    let first = world.accepted("gitlab", &with("1", "a"), TAG).await;
    let again = world.accepted("gitlab", &with("1", "b"), TAG).await;
    assert_eq!(first, again);
    assert_eq!(world.last_duplicate(), Some(Repeated::SameDelivery));
    let other = world.accepted("gitlab", &with("2", "a"), TAG).await;
    assert_ne!(first, other);
    // One that is empty says nothing.
    let by_uuid = world.accepted("gitlab", &with("", "a"), TAG).await;
    assert!(by_uuid != first && by_uuid != other);
    let again = world.accepted("gitlab", &with("", "a"), TAG).await;
    assert_eq!(by_uuid, again);
    assert_eq!(world.sent().await, 3);
}

#[tokio::test]
async fn a_tool_that_signs_nothing_tells_its_deliveries_apart_by_their_ids_if_they_have_any() {
    let world = World::new();
    let token = ("X-Token", SECRET);
    let with = |id| [token, ("X-Delivery", id)];
    let body = br#"{"kind":"a"}"#;
    let first = world.accepted("own", &with("1"), body).await;
    assert_ne!(world.accepted("own", &with("2"), body).await, first);
    assert_eq!(world.accepted("own", &with("1"), body).await, first);
    let without = world.accepted("own", &[token], body).await;
    assert_ne!(without, first);
    assert_eq!(world.accepted("own", &[token], body).await, without);
    assert_eq!(world.sent().await, 3);
}

#[tokio::test]
async fn where_the_body_alone_is_signed_a_copy_under_another_id_is_the_same_event() {
    let world = World::new();
    let body = br#"{"ref":"refs/heads/main","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","deleted":false,
        "repository":{"full_name":"a/b","clone_url":"https://github.com/a/b.git"}}"#;
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let digest = mac.chain_update(body).finalize().into_bytes();
    let signature = format!("sha256={}", HEXLOWER.encode(&digest));
    let with = |id| {
        [
            ("X-Hub-Signature-256", signature.as_str()),
            ("X-GitHub-Event", "push"),
            ("X-GitHub-Delivery", id),
            ("Idempotency-Key", id),
        ]
    };
    let first = world.accepted("github", &with("1"), body).await;
    assert_eq!(world.accepted("github", &with("2"), body).await, first);
    assert_eq!(world.last_duplicate(), Some(Repeated::SameBody));
    assert_eq!(world.sent().await, 1);
}

/// The headers of a delivery that GitLab signs.
fn signed(id: &'static str, at: i64) -> [(&'static str, String); 3] {
    let key = BASE64.decode(SIGNING.as_bytes()).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let mac = mac.chain_update(format!("{id}.{at}.")).chain_update(TAG);
    let digest = BASE64.encode(&mac.finalize().into_bytes());
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", format!("v1,{digest}")),
    ]
}

#[tokio::test]
async fn gitlab_can_be_switched_from_one_kind_of_secret_to_the_other_and_back() {
    let world = World::new();
    let token = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event-UUID", "a")];
    world.accepted("gitlab", &token, TAG).await;
    // From the token to a signature.
    world.write("secret", &format!("whsec_{SIGNING}"));
    world.pass(11);
    let now = world.now.load(Ordering::Relaxed);
    let headers = signed("1", now);
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    world.accepted("gitlab", &headers, TAG).await;
    let refused = (401, "signature_missing".to_owned());
    assert_eq!(world.send("gitlab", &token, TAG).await, refused);
    // And back. Whoever leaves the signature out cannot make the relay ask the vault at every webhook.
    world.write("secret", SECRET);
    world.pass(9);
    assert_eq!(world.send("gitlab", &token, TAG).await, refused);
    world.pass(2);
    world.accepted("gitlab", &token, TAG).await;
    assert_eq!(world.send("gitlab", &headers, TAG).await, refused);
}

/// Answers for SQS and for the control plane, which keeps what it was told.
#[derive(Clone, Default)]
struct Cloud {
    /// The status and the error of the next messages that are sent.
    refuses: Arc<Mutex<Option<(u16, &'static str)>>>,
    told: Arc<Mutex<Vec<Value>>>,
}

async fn answer(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(target) = headers.get("x-amz-target") else {
        let told = serde_json::from_slice(&body).unwrap();
        cloud.told.lock().unwrap().push(told);
        let answer = json!({
            "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE", "health": "DEGRADED",
            "next_heartbeat_seconds": 60, "key_expires_at": "2027-01-01T00:00:00.000Z",
        });
        return axum::Json(answer).into_response();
    };
    let refuses = *cloud.refuses.lock().unwrap();
    match (target.to_str().unwrap(), refuses) {
        ("AmazonSQS.SendMessage", Some((status, error))) => {
            let status = StatusCode::from_u16(status).unwrap();
            let body = json!({ "__type": format!("com.amazonaws.sqs#{error}"), "message": "no" });
            (status, body.to_string()).into_response()
        }
        ("AmazonSQS.SendMessage", None) => {
            let answer = json!({ "MessageId": "1", "MD5OfMessageBody": "x" });
            answer.to_string().into_response()
        }
        _ => json!({ "Attributes": { "ApproximateNumberOfMessages": "3" } })
            .to_string()
            .into_response(),
    }
}

#[tokio::test]
async fn a_queue_that_lets_itself_be_asked_and_takes_nothing_is_not_said_to_be_reachable() {
    let cloud = Cloud::default();
    let routes = Router::new().fallback(answer).with_state(cloud.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
        .endpoint_url(&url)
        .build();
    let address = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    let client = aws_sdk_sqs::Client::from_conf(config);
    let queue = Sqs::new(client, SqsAddress::parse(address).unwrap());
    let world = World::with_queue(Queue::Sqs(queue));
    let plane = Plane::new(&url, false).unwrap();

    let mut id = 0;
    for (refuses, status, is_reachable) in [
        (None, 202, true),
        (Some((400, "AccessDeniedException")), 503, false),
        // That the next try ended otherwise does not say that it may send.
        (Some((400, "InvalidMessageContents")), 503, false),
        (None, 202, true),
        (Some((400, "InvalidMessageContents")), 503, true),
        (Some((400, "QueueDoesNotExist")), 503, false),
        (None, 202, true),
    ] {
        *cloud.refuses.lock().unwrap() = refuses;
        id += 1;
        let id = id.to_string();
        let headers = [("X-Token", SECRET), ("X-Delivery", id.as_str())];
        let (answered, what) = world.send("own", &headers, br#"{"kind":"a"}"#).await;
        assert_eq!(answered, status, "{id}: {what}");
        beat(&world.relay, &plane).await;
        let told = cloud.told.lock().unwrap().pop().unwrap();
        assert_eq!(told["queue_reachable"], is_reachable, "{id}");
        assert_eq!(told["queue_depth"], 3, "{id}");
    }
}
