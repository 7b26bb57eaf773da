use super::pubsub_server::{ACCOUNT, ACCOUNT_TOKEN, PROVIDER, SUBSCRIPTION, TOPIC, start};
use super::server::{Reply, Server, external_id};
use super::service_bus::MESSAGE;
use crate::cloud::{Machine, Tokens};
use crate::{Access, Attributes, PubSub, PubSubAddress, Queue};
use data_encoding::BASE64;
use serde_json::json;
use std::time::{Duration, SystemTime};
use wire::QueueProvider;
use wire::relay::QueueReference;

/// Opens what is at that address, as the pool's principal or as a service account.
async fn open(server: &Server, address: &str, account: Option<&str>) -> Queue {
    let mut federation = json!({ "kind": "GCP", "workload_provider": PROVIDER });
    if let Some(account) = account {
        federation["service_account"] = json!(account);
    }
    let access = Access::Federation {
        federation: serde_json::from_value(federation).unwrap(),
        external_id: external_id(1),
    };
    let queue = QueueReference {
        provider: QueueProvider::GcpPubsub,
        address: address.to_owned(),
    };
    let now = SystemTime::now();
    server.opener().open(&queue, &access, now).await.unwrap()
}

/// A queue whose every answer is that one; its tokens are the machine's own.
async fn answered_by(address: &str, reply: Reply) -> (Server, Queue) {
    let server = Server::start(move |asked| match asked.header("host") {
        "metadata.google.internal" => Reply::json(
            200,
            &json!({ "access_token": "machine", "expires_in": 3599 }),
        ),
        _ => reply.clone(),
    })
    .await;
    let tokens = Tokens::new(server.http(), Machine::read(&|_| None).google());
    let queue = PubSub::new(tokens, PubSubAddress::parse(address).unwrap());
    (server, Queue::PubSub(queue))
}

#[tokio::test]
async fn a_message_is_published_pulled_and_acknowledged_as_the_documentation_says() {
    let (server, state) = start().await;
    let topic = open(&server, TOPIC, None).await;
    topic.send(MESSAGE).await.unwrap();
    let sent = server.asked().pop().unwrap();
    assert_eq!(
        sent.line(),
        format!("POST pubsub.googleapis.com/v1/{TOPIC}:publish")
    );
    let message = &sent.json()["messages"][0];
    assert_eq!(message["data"], BASE64.encode(MESSAGE.body.as_bytes()));
    assert_eq!(
        message["attributes"],
        json!({ "subject": "hybrid-ci.event", "deduplication_id": "evt-1" })
    );

    let subscription = open(&server, SUBSCRIPTION, None).await;
    let received = subscription
        .receive(10, Duration::from_secs(20))
        .await
        .unwrap();
    let message = &received[0];
    assert_eq!(
        (message.id.as_str(), message.body.as_str()),
        ("1", MESSAGE.body)
    );
    assert_eq!(message.subject, MESSAGE.subject);
    assert_eq!(message.receive_count, 1);
    let pulled = server.asked().pop().unwrap();
    assert_eq!(pulled.json(), json!({ "maxMessages": 10 }));
    subscription.delete(&message.receipt).await.unwrap();
    assert_eq!(
        server.asked().pop().unwrap().json(),
        json!({ "ackIds": [message.receipt] })
    );
    assert_eq!(state.lock().unwrap().len(), 0);
    subscription.delete(&message.receipt).await.unwrap();
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_back_and_counts() {
    let (server, state) = start().await;
    state.lock().unwrap().put(b"hello");
    let queue = open(&server, SUBSCRIPTION, None).await;
    let first = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!(queue.receive(10, Duration::ZERO).await.unwrap(), []);
    state.lock().unwrap().pass_deadlines();
    let again = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!((&again[0].id, again[0].receive_count), (&first[0].id, 2));
}

#[tokio::test]
async fn waiting_for_messages_ends_in_time() {
    let (server, _state) = start().await;
    let queue = open(&server, SUBSCRIPTION, None).await;
    let received = queue.receive(10, Duration::from_millis(200)).await.unwrap();
    assert_eq!(received, []);
    assert_eq!(
        server.asked().pop().unwrap().json(),
        json!({ "maxMessages": 10 })
    );
}

#[tokio::test]
async fn a_pool_acts_by_itself_or_as_a_service_account() {
    let (server, _state) = start().await;
    for (account, token) in [
        (None, "Bearer pool pubsub"),
        (Some(ACCOUNT), "Bearer account"),
    ] {
        let queue = open(&server, TOPIC, account).await;
        queue.send(MESSAGE).await.unwrap();
        queue.send(MESSAGE).await.unwrap();
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.header("authorization"), token);
        let tokens = server.lines().len() - 2;
        assert_eq!(tokens, if account.is_some() { 3 } else { 2 });
    }
    assert_eq!(ACCOUNT_TOKEN, "account");
}

#[tokio::test]
async fn whether_it_lets_us_in_is_asked_without_taking_anything() {
    let (server, state) = start().await;
    for (address, permission) in [
        (SUBSCRIPTION, "pubsub.subscriptions.consume"),
        (TOPIC, "pubsub.topics.publish"),
    ] {
        state.lock().unwrap().is_closed = false;
        let queue = open(&server, address, None).await;
        assert_eq!(queue.attributes().await.unwrap(), Attributes::default());
        queue.verify_access().await.unwrap();
        assert_eq!(
            server.asked().pop().unwrap().json(),
            json!({ "permissions": [permission] })
        );
        state.lock().unwrap().is_closed = true;
        assert_eq!(queue.verify_access().await.unwrap_err().code(), "denied");
    }
}

#[tokio::test]
async fn a_topic_is_not_read_and_a_subscription_is_not_sent_to() {
    let (server, _state) = start().await;
    let topic = open(&server, TOPIC, None).await;
    let error = topic.receive(1, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert_eq!(topic.delete("ack").await.unwrap_err().code(), "refused");
    let subscription = open(&server, SUBSCRIPTION, None).await;
    let error = subscription.send(MESSAGE).await.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn each_status_means_what_the_documentation_says() {
    let google = |status: u16| Reply::json(status, &json!({ "error": { "code": status } }));
    for (reply, code) in [
        (google(400), "refused"),
        (google(401), "denied"),
        (google(403), "denied"),
        (google(404), "missing"),
        (google(429), "unreachable"),
        (google(500), "unreachable"),
        (google(503), "unreachable"),
        (google(302), "refused"),
        (Reply::status(200), "unreachable"),
        (Reply::json(200, &json!([1])), "unreachable"),
    ] {
        let (_server, queue) = answered_by(SUBSCRIPTION, reply.clone()).await;
        let received = queue.receive(1, Duration::ZERO).await.map(|_| ());
        assert_eq!(received.unwrap_err().code(), code, "{reply:?}");
        let verified = queue.verify_access().await;
        assert_eq!(verified.unwrap_err().code(), code, "{reply:?}");
        if reply.status != 200 {
            assert_eq!(queue.delete("ack").await.unwrap_err().code(), code);
            let (_server, topic) = answered_by(TOPIC, reply).await;
            assert_eq!(topic.send(MESSAGE).await.unwrap_err().code(), code);
        }
    }
}

#[tokio::test]
async fn a_message_of_a_hostile_length_keeps_no_other_from_being_read() {
    let (server, state) = start().await;
    state.lock().unwrap().put(&vec![b'x'; 3 * 1024 * 1024]);
    state.lock().unwrap().put(b"hello");
    let queue = open(&server, SUBSCRIPTION, None).await;
    let received = queue.receive(10, Duration::ZERO).await.unwrap();
    assert_eq!(received[0].body, "x".repeat(64 * 1024));
    assert_eq!(received[1].body, "hello");
    for message in received {
        queue.delete(&message.receipt).await.unwrap();
    }
    assert_eq!(state.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_base64_is_handed_on_to_be_refused() {
    let reply = json!({ "receivedMessages": [
        { "ackId": "a", "message": { "data": "not Base64!", "messageId": "1" } },
        { "ackId": "b", "message": { "messageId": "2", "attributes": { "k": "v" } } },
        { "ackId": "c" },
        { "ackId": "d", "message": { "data": BASE64.encode(&[0xff; 100_000]) } },
    ] });
    let (_server, queue) = answered_by(SUBSCRIPTION, Reply::json(200, &reply)).await;
    let received = queue.receive(10, Duration::ZERO).await.unwrap();
    let bodies: Vec<&str> = received
        .iter()
        .map(|message| message.body.as_str())
        .collect();
    assert_eq!(bodies[..3], ["not Base64!", "", ""]);
    assert!(bodies[3].len() <= 64 * 1024 && bodies[3].len() > 60 * 1024);
    // No more than was asked for.
    assert_eq!(queue.receive(2, Duration::ZERO).await.unwrap().len(), 2);
}
