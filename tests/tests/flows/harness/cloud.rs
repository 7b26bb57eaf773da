//! AWS, as a customer and the control plane share it: queues of SQS, and roles that ask for the ExternalId that was agreed on.
//! It is played here, or by moto with this before it, since moto lets everybody in.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::HEXLOWER;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use web::{Clock, Entropy};

/// The id of the customer's own access key.
pub(crate) const CUSTOMER: &str = "AKIACUSTOMERCUSTOMER";
/// The account and region of everything.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";
/// How long a message that was received is not seen by others.
const INVISIBLE: Duration = Duration::from_secs(30);
/// How long a session of a role is good, in seconds.
const SESSION_SECONDS: i64 = 900;

/// A cloud with an address.
#[derive(Clone)]
pub(crate) struct Cloud {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where moto is, if it plays.
    moto: Option<String>,
    client: Client,
    state: Mutex<Played>,
}

#[derive(Default)]
struct Played {
    /// The ExternalId that each role asks for.
    roles: HashMap<String, String>,
    /// The ids of access keys that roles have given out, and their secrets.
    sessions: HashSet<String>,
    secrets: Vec<String>,
    queues: HashMap<String, Vec<Waiting>>,
    deleted: u64,
    /// Every message that was ever sent, as it was.
    sent: Vec<String>,
    next: u64,
}

struct Waiting {
    receipt: String,
    body: String,
    attributes: Value,
    receive_count: u32,
    visible_at: Instant,
}

impl Cloud {
    /// One that is played here.
    pub(crate) async fn start() -> Self {
        Self::start_before(None).await
    }

    /// One that moto plays, at that address.
    pub(crate) async fn start_before_moto(moto: &str) -> Self {
        Self::start_before(Some(moto.to_owned())).await
    }

    async fn start_before(moto: Option<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            moto,
            client: Client::builder().no_proxy().build().unwrap(),
            state: Mutex::default(),
        });
        let cloud = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            shared: Arc::clone(&shared),
        };
        let router = Router::new().route("/", post(call)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        cloud
    }

    /// What tells the SDK to call here.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        [
            ("AWS_ENDPOINT_URL_SQS", &self.url),
            ("AWS_ENDPOINT_URL_STS", &self.url),
        ]
    }

    /// What tells the customer's own programs who they are, and to call here.
    pub(crate) fn of_customer(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", CUSTOMER.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "customer".to_owned()),
        ];
        variables.extend(
            self.variables()
                .map(|(name, value)| (name, value.to_owned())),
        );
        variables
    }

    /// Makes a queue. Its URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        self.ask("CreateQueue", &json!({ "QueueName": name })).await;
        format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
    }

    /// The customer's role trusts us, if we name that ExternalId. Its ARN.
    pub(crate) fn trust(&self, role: &str, external_id: &str) {
        let mut played = self.shared.state.lock().unwrap();
        played.roles.insert(role.to_owned(), external_id.to_owned());
    }

    /// The ARN of a role of that name.
    pub(crate) fn role(name: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// Every message that was sent to any queue.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().sent.clone()
    }

    /// How many messages were deleted.
    pub(crate) fn deleted(&self) -> u64 {
        self.shared.state.lock().unwrap().deleted
    }

    /// The secrets of the sessions that roles have given out.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().secrets.clone()
    }

    /// Puts a message on a queue, as somebody of the customer's would.
    pub(crate) async fn send(&self, queue: &str, body: &str) {
        let message = json!({ "QueueUrl": queue, "MessageBody": body });
        self.ask("SendMessage", &message).await;
    }

    /// Takes a message off a queue, if there is one.
    pub(crate) async fn take(&self, queue: &str) -> Option<String> {
        self.take_with_subject(queue).await.map(|(body, _)| body)
    }

    /// The same, with the subject beside it.
    pub(crate) async fn take_with_subject(&self, queue: &str) -> Option<(String, String)> {
        let wanted = json!({ "QueueUrl": queue, "MessageAttributeNames": ["subject"] });
        let received = self.ask("ReceiveMessage", &wanted).await;
        let message = received["Messages"].get(0)?;
        let receipt = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"] });
        self.ask("DeleteMessage", &receipt).await;
        let subject = &message["MessageAttributes"]["subject"]["StringValue"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some((text(&message["Body"]), text(subject)))
    }

    /// A call of the customer's own.
    async fn ask(&self, operation: &str, body: &Value) -> Value {
        let proof = format!(
            "AWS4-HMAC-SHA256 Credential={CUSTOMER}/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0"
        );
        let call = self.shared.client.post(&self.url);
        let answer = call
            .header("authorization", proof)
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{operation}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

async fn call(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .map(|name| name.to_str().unwrap());
    match target.and_then(|name| name.strip_prefix("AmazonSQS.")) {
        Some(operation) => sqs(&shared, operation, &headers, &body).await,
        None => sts(&shared, &headers, &body).await,
    }
}

/// The id of the access key that a call is signed with.
fn access_key(headers: &HeaderMap) -> &str {
    let proof = headers["authorization"].to_str().unwrap();
    let (_, rest) = proof.split_once("Credential=").unwrap();
    rest.split_once('/').unwrap().0
}

/// A call that moto answers.
async fn moto(
    shared: &Shared,
    url: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> (StatusCode, String) {
    let mut call = shared.client.post(url).body(body.clone());
    for name in [
        "authorization",
        "content-type",
        "x-amz-target",
        "x-amz-date",
    ] {
        if let Some(value) = headers.get(name) {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    (status, answer.text().await.unwrap())
}

async fn sqs(shared: &Shared, operation: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    let request: Value = serde_json::from_slice(body).unwrap();
    {
        let mut played = shared.state.lock().unwrap();
        let caller = access_key(headers);
        if caller != CUSTOMER && !played.sessions.contains(caller) {
            let refusal = json!({ "__type": "com.amazonaws.sqs#AccessDeniedException" });
            return (StatusCode::FORBIDDEN, refusal.to_string()).into_response();
        }
        match operation {
            "SendMessage" => played.sent.push(request.to_string()),
            "DeleteMessage" => played.deleted += 1,
            _ => {}
        }
    }
    let json = [("content-type", "application/x-amz-json-1.0")];
    if let Some(url) = &shared.moto {
        let (status, text) = moto(shared, url, headers, body).await;
        return (status, json, text).into_response();
    }
    let answer = shared.state.lock().unwrap().answer(operation, &request);
    (json, answer.to_string()).into_response()
}

impl Played {
    fn answer(&mut self, operation: &str, request: &Value) -> Value {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        if operation == "CreateQueue" {
            self.queues.entry(text("QueueName").to_owned()).or_default();
            return json!({ "QueueUrl": text("QueueName") });
        }
        let name = text("QueueUrl").rsplit('/').next().unwrap().to_owned();
        self.next += 1;
        let next = self.next;
        let queue = self.queues.get_mut(&name);
        let queue = queue.unwrap_or_else(|| panic!("there is no queue {name}"));
        match operation {
            "SendMessage" => {
                queue.push(Waiting {
                    receipt: String::new(),
                    body: text("MessageBody").to_owned(),
                    attributes: request["MessageAttributes"].clone(),
                    receive_count: 0,
                    visible_at: Instant::now(),
                });
                json!({ "MessageId": format!("message-{next}") })
            }
            "ReceiveMessage" => {
                let max = request["MaxNumberOfMessages"].as_u64().unwrap_or(1);
                let now = Instant::now();
                let visible = queue.iter_mut().filter(|message| message.visible_at <= now);
                let messages = visible.take(usize::try_from(max).unwrap()).enumerate();
                let messages: Vec<_> = messages
                    .map(|(place, message)| {
                        message.receive_count += 1;
                        message.visible_at = now + INVISIBLE;
                        message.receipt = format!("{next}-{place}");
                        json!({
                            "MessageId": message.receipt, "ReceiptHandle": message.receipt, "Body": message.body,
                            "Attributes": { "ApproximateReceiveCount": message.receive_count.to_string() },
                            "MessageAttributes": message.attributes,
                        })
                    })
                    .collect();
                json!({ "Messages": messages })
            }
            "DeleteMessage" => {
                queue.retain(|message| message.receipt != text("ReceiptHandle"));
                json!({})
            }
            "GetQueueAttributes" => json!({ "Attributes": {
                "ApproximateNumberOfMessages": queue.len().to_string(),
                "ApproximateNumberOfMessagesNotVisible": "0",
            } }),
            other => panic!("this SQS has no {other}"),
        }
    }
}

async fn sts(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Response {
    let xml = [("content-type", "text/xml")];
    let query = std::str::from_utf8(body).unwrap();
    let query = Url::parse(&format!("http://sts/?{query}")).unwrap();
    let request: BTreeMap<_, _> = query.query_pairs().into_owned().collect();
    assert_eq!(request["Action"], "AssumeRole");
    let trusted = {
        let played = shared.state.lock().unwrap();
        let asked = played.roles.get(&request["RoleArn"]);
        asked.is_some() && asked == request.get("ExternalId")
    };
    if !trusted {
        let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                       <Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>";
        return (StatusCode::FORBIDDEN, xml, refusal).into_response();
    }
    let (status, text) = match &shared.moto {
        Some(url) => moto(shared, url, headers, body).await,
        None => (StatusCode::OK, session()),
    };
    let within = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let mut played = shared.state.lock().unwrap();
    played.sessions.insert(within("AccessKeyId"));
    for name in ["SecretAccessKey", "SessionToken"] {
        played.secrets.push(within(name));
    }
    (status, xml, text).into_response()
}

/// What somebody gets who may assume a role.
fn session() -> String {
    let entropy = Entropy::system();
    let random = || HEXLOWER.encode(&entropy.bytes::<32>());
    let expiration = Clock::system().now().plus_seconds(SESSION_SECONDS);
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{}</AccessKeyId>\
         <SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>a</AssumedRoleId>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/r/s</Arn></AssumedRoleUser></AssumeRoleResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>",
        &random()[..16],
        random(),
        random(),
    )
}
