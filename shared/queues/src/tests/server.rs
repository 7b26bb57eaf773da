//! A server on this machine that stands in for all others.

use crate::cloud::Http;
use crate::opener::{sqs_client, sts_client};
use crate::{ExternalId, Opener};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::Region;
use oidc::testing::read_request;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Asked {
    /// `POST example.com/path`.
    pub(super) fn line(&self) -> String {
        format!("{} {}{}", self.method, self.header("host"), self.path)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn form(&self) -> BTreeMap<String, String> {
        serde_urlencoded::from_str(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Nothing is answered, and the connection stays open.
    pub(super) hangs: bool,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            hangs: false,
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            body: body.to_string().into_bytes(),
            ..Self::status(status)
        }
    }

    pub(super) fn hanging() -> Self {
        Self {
            hangs: true,
            ..Self::status(200)
        }
    }
}

/// The server. It ends when it is dropped.
pub(super) struct Server {
    pub(super) base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers each request by `answer`.
    pub(super) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                connections.spawn(serve(stream, move |request: &Asked| {
                    seen.lock().unwrap().push(request.clone());
                    answer(request)
                }));
            }
        });
        Self {
            base,
            asked,
            _tasks: tasks,
        }
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same in short, and then forgotten.
    pub(super) fn lines(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.iter().map(Asked::line).collect()
    }

    /// HTTP that comes here, wherever it is to go.
    pub(super) fn http(&self) -> Http {
        Http::public().instead(&self.base)
    }

    /// The control plane, with this server for every cloud, AWS included.
    pub(super) fn opener(&self) -> Opener {
        let credentials = Credentials::new("key", "secret", None, None, "tests");
        let region = Region::from_static("eu-central-1");
        let base = || Some(self.base.clone());
        let sqs = sqs_client(region.clone(), Some(credentials.clone()), base());
        let sts = sts_client(region, Some(credentials), base());
        Opener::new(sqs, sts, self.http())
    }
}

async fn serve(mut stream: TcpStream, answer: impl Fn(&Asked) -> Reply) {
    while let Some(request) = read(&mut stream).await {
        let reply = answer(&request);
        if reply.hangs {
            return std::future::pending().await;
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
        for (name, value) in &reply.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if reply.status != 204 {
            write!(head, "content-length: {}\r\n", reply.body.len()).unwrap();
        }
        head.push_str("\r\n");
        let bytes = [head.as_bytes(), &reply.body].concat();
        // Whoever goes away in the middle has had enough.
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let request = read_request(stream).await?;
    let (head, body) = request.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Asked {
        method,
        path,
        headers,
        body: body.to_owned(),
    })
}

/// STS, which gives a token that says for whom it is.
pub(super) fn aws(asked: &Asked) -> Option<Reply> {
    let form = (asked.method == "POST" && asked.path == "/").then(|| asked.form())?;
    if form.get("Action").map(String::as_str) != Some("GetWebIdentityToken") {
        return None;
    }
    assert_eq!(form["SigningAlgorithm"], "RS256");
    let audience = &form["Audience.member.1"];
    let body = format!(
        "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
         <Expiration>2030-01-01T00:00:00Z</Expiration><WebIdentityToken>aws-for-{audience}</WebIdentityToken>\
         </GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
    );
    Some(Reply {
        body: body.into_bytes(),
        ..Reply::status(200)
    })
}

/// The ExternalId of a relay.
pub(super) fn external_id(number: u8) -> ExternalId {
    ExternalId::new([number; 16])
}
