//! A Secrets Manager on this machine, for tests. A function never enables this.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes of the longest request that is read.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// How it takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It answers with what it holds.
    Answers,
    /// The caller's role may not read.
    Denies,
    /// It is asked too often.
    Throttles,
    /// It answers with something else than it should, and the value is in it.
    Garbles,
    /// It says nothing at all.
    Stalls,
    /// It hangs up.
    HangsUp,
}

/// The service. It ends when it is dropped.
pub struct FakeSecretsManager {
    url: String,
    held: Arc<Mutex<Held>>,
    _tasks: JoinSet<()>,
}

struct Held {
    /// By ARN: what stands in an answer.
    secrets: BTreeMap<String, Value>,
    mood: Mood,
    versions: u64,
    requests: Vec<String>,
}

impl FakeSecretsManager {
    /// Starts one that holds nothing.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let held = Arc::new(Mutex::new(Held {
            secrets: BTreeMap::new(),
            mood: Mood::Answers,
            versions: 0,
            requests: Vec::new(),
        }));
        let shared = Arc::clone(&held);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            url,
            held,
            _tasks: tasks,
        }
    }

    /// The ARN of the secret of that name, whether it is there or not.
    pub fn arn(name: &str) -> String {
        format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-AbCdEf")
    }

    /// Puts a new version of a secret's text.
    pub fn put(&self, name: &str, value: &str) {
        self.put_member(name, "SecretString", value);
    }

    /// Puts a new version that is bytes, in Base64.
    pub fn put_binary(&self, name: &str, base64: &str) {
        self.put_member(name, "SecretBinary", base64);
    }

    fn put_member(&self, name: &str, member: &str, value: &str) {
        let mut held = self.held();
        held.versions += 1;
        let version = format!("00000000-0000-4000-8000-{:012}", held.versions);
        let arn = Self::arn(name);
        let secret = json!({
            "ARN": arn, "Name": name, "VersionId": version, member: value,
            "VersionStages": ["AWSCURRENT"], "CreatedDate": 1_700_000_000.0
        });
        held.secrets.insert(arn, secret);
    }

    /// Takes a secret away.
    pub fn delete(&self, name: &str) {
        self.held().secrets.remove(&Self::arn(name));
    }

    /// From now on it takes requests like this.
    pub fn set_mood(&self, mood: Mood) {
        self.held().mood = mood;
    }

    /// The requests so far, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.held().requests.clone()
    }

    /// What a function needs in its environment to reach it, besides the ARN.
    pub fn variable(&self, name: &str) -> Option<String> {
        Some(match name {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => self.url.clone(),
            "AWS_ACCESS_KEY_ID" => "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            "AWS_SESSION_TOKEN" => "a-session-token-of-the-role".to_owned(),
            _ => return None,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(mut stream: TcpStream, held: Arc<Mutex<Held>>) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let (mood, status, body) = {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.requests.push(request.clone());
        let (status, body) = held.answer(&request);
        (held.mood, status, body.to_string())
    };
    match mood {
        Mood::HangsUp => return,
        Mood::Stalls => std::future::pending::<()>().await,
        Mood::Answers | Mood::Denies | Mood::Throttles | Mood::Garbles => {}
    }
    let length = body.len();
    let start = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    // Whoever goes away in the middle has had enough.
    let _ = stream
        .write_all(&[start.as_bytes(), body.as_bytes()].concat())
        .await;
    let _ = stream.shutdown().await;
}

impl Held {
    fn answer(&self, request: &str) -> (u16, Value) {
        let error = |kind: &str, message: &str| (400, json!({"__type": kind, "Message": message}));
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
        let lower = head.to_ascii_lowercase();
        if !lower.contains("x-amz-target: secretsmanager.getsecretvalue")
            || !lower.contains("/eu-central-1/secretsmanager/aws4_request")
        {
            return error("UnrecognizedClientException", "not a signed call of ours");
        }
        let asked: Value = serde_json::from_str(body).unwrap_or_default();
        let found = asked["SecretId"]
            .as_str()
            .and_then(|arn| self.secrets.get(arn));
        match (self.mood, found) {
            (Mood::Denies, _) => error(
                "AccessDeniedException",
                "User: arn:aws:sts::123456789012:assumed-role/r is not authorized to perform: secretsmanager:GetSecretValue",
            ),
            (Mood::Throttles, _) => error("ThrottlingException", "Rate exceeded"),
            (Mood::Garbles, found) => (200, json!({"SecretString": [found]})),
            (_, Some(secret)) => (200, secret.clone()),
            (_, None) => error(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            ),
        }
    }
}

/// Reads a head, and as much of a body as it announces.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok()?;
        if count == 0 || read.len() > MAX_REQUEST_BYTES {
            return None;
        }
        read.extend_from_slice(&piece[..count]);
    }
}
