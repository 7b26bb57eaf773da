//! The Lambda form as Lambda runs it: the program, with its runtime API, a queue and a control plane played on this machine.

use crate::fixtures;
use crate::world::{Headers, SECRET, identity, signature, variables};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use wire::relay::Envelope;

/// What the program did: a call of it, by its last word.
type Call = (String, Value);

#[derive(Clone)]
struct Cloud {
    invocations: Arc<Mutex<VecDeque<Value>>>,
    calls: UnboundedSender<Call>,
}

/// Answers for Lambda's runtime API, SQS and the control plane.
async fn serve(
    State(cloud): State<Cloud>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    if method == Method::GET && path.ends_with("/invocation/next") {
        let next = cloud.invocations.lock().unwrap().pop_front();
        let Some(event) = next else {
            return std::future::pending().await;
        };
        let deadline = "9999999999999";
        return [
            ("lambda-runtime-aws-request-id", "request"),
            ("lambda-runtime-deadline-ms", deadline),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:123456789012:function:relay",
            ),
        ]
        .into_response()
        .map(|_| axum::body::Body::from(event.to_string()));
    }
    let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if let Some(target) = headers.get("x-amz-target") {
        let operation = target
            .to_str()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned();
        let answer = match operation.as_str() {
            "SendMessage" => json!({ "MessageId": "1", "MD5OfMessageBody": "x" }),
            _ => json!({ "Attributes": { "ApproximateNumberOfMessages": "3" } }),
        };
        cloud.calls.send((operation, value)).unwrap();
        return answer.to_string().into_response();
    }
    let last = path.rsplit('/').next().unwrap().to_owned();
    cloud.calls.send((last.clone(), value)).unwrap();
    if last == "heartbeat" {
        let answer = json!({
            "relay_id": "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE",
            "health": "HEALTHY",
            "next_heartbeat_seconds": 60,
            "key_expires_at": "2027-01-01T00:00:00.000Z",
        });
        return answer.to_string().into_response();
    }
    StatusCode::ACCEPTED.into_response()
}

/// Ends the program when the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn next(calls: &mut UnboundedReceiver<Call>, operation: &str) -> Value {
    let call = tokio::time::timeout(Duration::from_mins(1), calls.recv()).await;
    let (name, value) = call.unwrap().unwrap();
    assert_eq!(name, operation, "{value}");
    value
}

/// A request as function URLs and HTTP APIs send it, the body in Base64.
fn request(headers: &Headers, body: &[u8]) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /relay/webhooks/{tool}",
        "rawPath": "/relay/webhooks/github",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abc", "requestId": "id", "routeKey": "POST /relay/webhooks/{tool}", "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64,
            "http": {
                "method": "POST", "path": "/relay/webhooks/github", "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "GitHub-Hookshot/044aadd",
            },
        },
        "pathParameters": { "tool": "github" },
        "body": BASE64.encode(body),
        "isBase64Encoded": true,
    })
}

#[tokio::test]
async fn on_lambda_a_webhook_becomes_a_message_and_a_schedule_a_heartbeat() {
    let (mut signed, body) = fixtures::one("github", "push");
    let (name, value) = signature("github", SECRET, &body);
    let unsigned = request(&signed, &body);
    signed.insert(name.to_owned(), value);
    let schedule =
        json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
    let (sender, mut calls) = unbounded_channel();
    let cloud = Cloud {
        invocations: Arc::new(Mutex::new(
            [request(&signed, &body), unsigned, schedule].into(),
        )),
        calls: sender,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().fallback(serve).with_state(cloud);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("secret", SECRET);
    write("identity.json", identity().to_json().expose_secret());
    let url = format!("http://{address}");
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.env_clear().envs(variables(directory.path())).envs([
        ("HYBRID_RELAY_URL", url.as_str()),
        ("HYBRID_RELAY_QUEUE_PROVIDER", "AWS_SQS"),
        ("HYBRID_RELAY_QUEUE", queue),
        ("AWS_LAMBDA_RUNTIME_API", &address),
        ("AWS_LAMBDA_FUNCTION_NAME", "relay"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_ENDPOINT_URL_SQS", &url),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let _running = Running(command.stdout(Stdio::null()).spawn().unwrap());

    let sent = next(&mut calls, "SendMessage").await;
    assert_eq!(sent["QueueUrl"], queue);
    let envelope: Envelope = serde_json::from_str(sent["MessageBody"].as_str().unwrap()).unwrap();
    let answered = next(&mut calls, "response").await;
    assert_eq!(answered["statusCode"], 202, "{answered}");
    let event: Value = {
        let payload = BASE64.decode(envelope.payload.as_bytes()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };
    let answer: Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
    assert_eq!(answer["event_id"], event["event"]["event_id"]);
    let refused = next(&mut calls, "response").await;
    assert_eq!(refused["statusCode"], 401, "{refused}");
    next(&mut calls, "GetQueueAttributes").await;
    let heartbeat = next(&mut calls, "heartbeat").await;
    assert_eq!(heartbeat["queue_depth"], 3);
    assert_eq!(heartbeat["sent"], 1);
    assert_eq!(heartbeat["refused"], 1);
    assert_eq!(heartbeat["vault_reachable"], true);
    assert_eq!(next(&mut calls, "response").await, Value::Null);
}
