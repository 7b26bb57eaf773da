//! Queues of SQS that are reached by roles, on a server that speaks for SQS and STS.

use super::world::{Sender, World, build};
use crate::{Orchestrator, Parts};
use embedded_dynamodb::Fault;
use oidc::testing::read_request;
use queues::Opener;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use store::TenantScope;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use wire::QueueProvider;
use wire::relay::QueueReference;

const GIVEN: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";

/// What is called, by a word and the role or the queue that it is about.
type Calls = Arc<Mutex<BTreeMap<String, usize>>>;

/// Messages by the name of the queue.
type Messages = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// SQS and STS. Roles whose name has `denied` let nobody in, those with `open` everybody, the others whoever knows an
/// ExternalId of zeros.
struct FakeAws {
    url: String,
    calls: Calls,
    messages: Messages,
}

impl FakeAws {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (calls, messages) = (Calls::default(), Messages::default());
        let served = (Arc::clone(&calls), Arc::clone(&messages));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (calls, messages) = served.clone();
                tokio::spawn(async move { serve(stream, &calls, &messages).await });
            }
        });
        Self {
            url,
            calls,
            messages,
        }
    }

    /// How often that was called, of all roles or queues.
    fn count(&self, what: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        let of = calls.iter().filter(|(name, _)| name.starts_with(what));
        of.map(|(_, count)| count).sum()
    }

    /// A process that knows no AWS but this one.
    fn orchestrator(&self, world: &World) -> Orchestrator {
        let lookup = |name: &str| {
            let value = match name {
                "AWS_REGION" => "eu-central-1",
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "key",
                "AWS_ENDPOINT_URL_SQS" | "AWS_ENDPOINT_URL_STS" => self.url.as_str(),
                _ => return None,
            };
            Some(value.to_owned())
        };
        let opener = Opener::of_function(&lookup).unwrap();
        Orchestrator::new(Parts {
            opener,
            ..world.parts(|_| Fault::None)
        })
    }
}

async fn serve(mut stream: TcpStream, calls: &Calls, messages: &Messages) -> Option<()> {
    let request = read_request(&mut stream).await?;
    let (head, body) = request.split_once("\r\n\r\n")?;
    let (status, answer) = if body.contains("Action=AssumeRole") {
        assume(body, calls)
    } else {
        let target = head.to_ascii_lowercase();
        let target = target.split("x-amz-target: amazonsqs.").nth(1)?;
        let call = target.split("\r\n").next()?.trim().to_owned();
        (200, queue_call(&call, body, calls, messages))
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn note(calls: &Calls, what: String) {
    *calls.lock().unwrap().entry(what).or_default() += 1;
}

fn assume(body: &str, calls: &Calls) -> (u16, String) {
    let role = body.split("role%2F").nth(1).unwrap_or_default();
    let role = role.split('&').next().unwrap_or_default().to_owned();
    let knows = body.contains(&format!("ExternalId=hcp-{}", "0".repeat(32)));
    note(
        calls,
        format!("{} {role}", if knows { "assume" } else { "try" }),
    );
    let opens = role.contains("open") || (knows && !role.contains("denied"));
    if opens {
        (200, GIVEN.to_owned())
    } else {
        (403, DENIED.to_owned())
    }
}

fn queue_call(call: &str, body: &str, calls: &Calls, messages: &Messages) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let url = body["QueueUrl"].as_str().unwrap();
    let name = url.rsplit('/').next().unwrap().to_owned();
    note(calls, format!("{call} {name}"));
    if call != "receivemessage" {
        return "{}".to_owned();
    }
    let waiting = messages.lock().unwrap().remove(&name).unwrap_or_default();
    let given: Vec<_> = waiting
        .iter()
        .enumerate()
        .map(|(place, body)| {
            let id = place.to_string();
            json!({"MessageId": id, "ReceiptHandle": id, "Body": body})
        })
        .collect();
    json!({"Messages": given}).to_string()
}

async fn relay(world: &World, scope: &TenantScope, name: &str) -> Sender {
    let queue = QueueReference {
        provider: QueueProvider::AwsSqs,
        address: format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"),
    };
    let role = format!("arn:aws:iam::123456789012:role/hybrid-ci-{name}");
    let sender = world
        .relay_with(scope, name, (queue, None), Some(&role))
        .await;
    world.rules(&sender, build()).await;
    sender
}

#[tokio::test]
async fn a_role_is_tried_and_assumed_once_and_its_credentials_are_kept() {
    let (world, aws) = (World::new().await, FakeAws::start().await);
    let acme = world.tenant("acme").await;
    for number in 0..20 {
        let name = format!("r{number}");
        let sender = relay(&world, &acme, &name).await;
        let message = sender.push(1);
        aws.messages.lock().unwrap().insert(name, vec![message]);
    }
    let orchestrator = aws.orchestrator(&world);
    let report = orchestrator.poll_once().await;
    assert_eq!((report.polled, report.failed), (20, 0));
    assert_eq!(report.messages.enqueued, 20);
    assert_eq!(world.jobs(&acme).await.len(), 20);
    // Without an ExternalId, with a wrong one, with the right one.
    assert_eq!((aws.count("try"), aws.count("assume")), (40, 20));
    assert_eq!(
        (aws.count("receivemessage"), aws.count("deletemessage")),
        (40, 20)
    );
    for _ in 0..3 {
        assert_eq!(orchestrator.poll_once().await.polled, 20);
    }
    assert_eq!((aws.count("try"), aws.count("assume")), (40, 20));
    assert_eq!(
        (aws.count("receivemessage"), aws.count("deletemessage")),
        (100, 20)
    );
}

#[tokio::test]
async fn a_role_that_is_denied_or_open_is_not_used_and_its_relay_says_so() {
    let (world, aws) = (World::new().await, FakeAws::start().await);
    let acme = world.tenant("acme").await;
    for (name, failure) in [
        ("denied", Some("queue_denied")),
        ("open", Some("role_open")),
        ("good", None),
    ] {
        let sender = relay(&world, &acme, name).await;
        aws.messages
            .lock()
            .unwrap()
            .insert(name.to_owned(), vec![sender.push(1)]);
        let orchestrator = aws.orchestrator(&world);
        let report = orchestrator.poll_once().await;
        assert_eq!(
            report.messages.enqueued,
            usize::from(failure.is_none()),
            "{name}"
        );
        let tenant = world.store.tenant(&acme);
        let state = tenant.relay(&sender.relay.relay_id).await.unwrap().unwrap();
        assert_eq!(state.polled.unwrap().failure.as_deref(), failure, "{name}");
        let was_read = aws.count(&format!("receivemessage {name}")) > 0;
        assert_eq!(was_read, failure.is_none(), "{name}");
    }
}
