use super::server::{Reply, Server, external_id};
use super::service_bus_server::{CLIENT, DIRECTORY, HOST, QUEUE, start};
use crate::cloud::{Machine, Tokens};
use crate::{Access, Attributes, Outgoing, Queue, QueueError, ServiceBus, ServiceBusAddress};
use serde_json::json;
use std::time::{Duration, SystemTime};
use wire::QueueProvider;
use wire::relay::{Federation, QueueReference};

pub(super) const MESSAGE: Outgoing<'static> = Outgoing {
    body: "{\"hello\":\"world\"}",
    deduplication_id: "evt-1",
    subject: "hybrid-ci.event",
};

pub(super) fn reference() -> QueueReference {
    QueueReference {
        provider: QueueProvider::AzureServiceBus,
        address: QUEUE.to_owned(),
    }
}

pub(super) fn access(number: u8) -> Access {
    let text = json!({ "kind": "AZURE", "directory_id": DIRECTORY, "client_id": CLIENT });
    let federation: Federation = serde_json::from_value(text).unwrap();
    Access::Federation {
        federation,
        external_id: external_id(number),
    }
}

pub(super) async fn open(server: &Server) -> Queue {
    let now = SystemTime::now();
    server
        .opener()
        .open(&reference(), &access(1), now)
        .await
        .unwrap()
}

/// A queue whose every answer is that one; its tokens are the machine's own.
async fn answered_by(reply: Reply) -> (Server, Queue) {
    let server = Server::start(move |asked| {
        if asked.header("host") == "169.254.169.254" {
            let token = json!({ "access_token": "machine", "expires_in": "3599" });
            return Reply::json(200, &token);
        }
        reply.clone()
    })
    .await;
    let tokens = Tokens::new(server.http(), Machine::read(&|_| None).entra().unwrap());
    let queue = ServiceBus::new(tokens, ServiceBusAddress::parse(QUEUE).unwrap());
    (server, Queue::ServiceBus(queue))
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted_as_the_documentation_says() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    queue.send(MESSAGE).await.unwrap();
    let sent = server.asked().pop().unwrap();
    assert_eq!(sent.line(), format!("POST {HOST}/events/messages"));
    assert_eq!(
        sent.header("brokerproperties"),
        r#"{"MessageId":"evt-1","Label":"hybrid-ci.event"}"#
    );
    assert_eq!(sent.header("content-type"), "application/json");
    server.lines();

    let received = queue.receive(1, Duration::from_secs(20)).await.unwrap();
    let message = &received[0];
    assert_eq!(
        (message.id.as_str(), message.body.as_str()),
        ("evt-1", MESSAGE.body)
    );
    assert_eq!(message.subject, MESSAGE.subject);
    assert_eq!(message.receive_count, 1);
    let receipt = "1/7da9cfd5-40d5-4bb1-8d64-000001000001";
    assert_eq!(message.receipt, receipt);
    queue.delete(&message.receipt).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            format!("POST {HOST}/events/messages/head?timeout=20"),
            format!("DELETE {HOST}/events/messages/{receipt}"),
        ]
    );
    assert_eq!(state.lock().unwrap().len(), 0);
    queue.delete(receipt).await.unwrap();
}

#[tokio::test]
async fn what_is_not_deleted_comes_back_and_its_old_receipt_deletes_nothing() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    queue.send(MESSAGE).await.unwrap();
    let first = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!(queue.receive(10, Duration::ZERO).await.unwrap(), []);
    state.lock().unwrap().unlock();
    let again = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!((&again[0].id, again[0].receive_count), (&first[0].id, 2));
    queue.delete(&first[0].receipt).await.unwrap();
    assert_eq!(state.lock().unwrap().len(), 1);
    queue.delete(&again[0].receipt).await.unwrap();
    assert_eq!(state.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_received_before_a_call_fails_is_handed_on() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    for number in 0..12 {
        state.lock().unwrap().put(&number.to_string(), "body");
    }
    let ten = queue.receive(100, Duration::ZERO).await.unwrap();
    assert_eq!(ten.len(), 10);
    state.lock().unwrap().fails = vec![500];
    let error = queue.receive(10, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "unreachable");
    // The third call fails, and the two before did not.
    let two = Server::start({
        let calls = std::sync::atomic::AtomicU64::new(0);
        move |asked| {
            if asked.header("host") == "169.254.169.254" {
                return Reply::json(200, &json!({ "access_token": "a", "expires_in": 3599 }));
            }
            let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if number == 2 {
                return Reply::status(500);
            }
            let properties = json!({
                "SequenceNumber": number, "LockToken": "7da9cfd5-40d5-4bb1-8d64-ec5a52e1c547",
            });
            Reply {
                headers: vec![("BrokerProperties", properties.to_string())],
                ..Reply::status(201)
            }
        }
    })
    .await;
    let tokens = Tokens::new(two.http(), Machine::read(&|_| None).entra().unwrap());
    let queue = ServiceBus::new(tokens, ServiceBusAddress::parse(QUEUE).unwrap());
    let received = Queue::ServiceBus(queue).receive(10, Duration::ZERO).await;
    assert_eq!(received.unwrap().len(), 2);
}

#[tokio::test]
async fn each_status_means_what_the_documentation_says() {
    for (status, code) in [
        (400, "refused"),
        (401, "denied"),
        (403, "denied"),
        (410, "missing"),
        (429, "unreachable"),
        (500, "unreachable"),
        (503, "unreachable"),
        (302, "refused"),
    ] {
        let (_server, queue) = answered_by(Reply::status(status)).await;
        let receipt = "1/7da9cfd5-40d5-4bb1-8d64-ec5a52e1c547";
        let received = queue.receive(1, Duration::ZERO).await;
        let outcomes = [
            received.map(|_| ()),
            queue.delete(receipt).await,
            queue.send(MESSAGE).await,
            queue.verify_access().await,
        ];
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().code(), code, "{status}");
        }
    }
}

#[tokio::test]
async fn whether_it_lets_us_in_is_asked_without_taking_anything() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    state.lock().unwrap().put("1", "body");
    queue.verify_access().await.unwrap();
    assert_eq!(queue.attributes().await.unwrap(), Attributes::default());
    let received = queue.receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].receive_count, 1);
    // A relay may only send, and asks whether its queue answers.
    let (_server, sender) = answered_by(Reply::status(401)).await;
    assert_eq!(sender.attributes().await.unwrap(), Attributes::default());
    assert_eq!(sender.verify_access().await.unwrap_err().code(), "denied");
    let (_server, gone) = answered_by(Reply::status(410)).await;
    assert_eq!(gone.attributes().await.unwrap_err().code(), "missing");
}

#[tokio::test]
async fn a_message_without_a_lock_of_the_right_form_is_not_handed_on() {
    for properties in [
        None,
        Some("{}".to_owned()),
        Some("not JSON".to_owned()),
        Some(
            json!({ "SequenceNumber": 1, "LockToken": "../../../other/messages/head" }).to_string(),
        ),
        Some(
            json!({ "SequenceNumber": -1, "LockToken": "7da9cfd5-40d5-4bb1-8d64-ec5a52e1c547" })
                .to_string(),
        ),
    ] {
        let reply = Reply {
            headers: properties
                .map(|properties| ("BrokerProperties", properties))
                .into_iter()
                .collect(),
            ..Reply::status(201)
        };
        let (_server, queue) = answered_by(reply).await;
        let error = queue.receive(1, Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, QueueError::Unreachable(_)), "{error}");
    }
    let (server, queue) = answered_by(Reply::status(200)).await;
    for receipt in [
        "",
        "1",
        "../1/x",
        "1/7da9cfd5-40d5-4bb1-8d64-ec5a52e1c54?",
        "head?timeout=1",
    ] {
        assert_eq!(queue.delete(receipt).await.unwrap_err().code(), "refused");
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_message_of_a_hostile_length_is_cut_and_can_be_deleted() {
    let (server, state) = start().await;
    let queue = open(&server).await;
    state.lock().unwrap().put("1", &"x".repeat(1024 * 1024));
    let received = queue.receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].body.len(), 64 * 1024);
    queue.delete(&received[0].receipt).await.unwrap();
    assert_eq!(state.lock().unwrap().len(), 0);
}
