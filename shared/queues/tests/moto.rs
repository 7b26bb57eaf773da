//! SQS and STS as moto plays them, which `cargo xtask test` starts: another's reading of AWS's documentation than ours. It looks
//! at no trust policy and no ExternalId.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use queues::{Access, ExternalId, Opener, Outgoing, Queue, QueueError};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};
use wire::QueueProvider;
use wire::relay::{QueueReference, RoleArn};

/// The only account that moto has unless it is told of others.
const ACCOUNT: &str = "123456789012";

const MESSAGE: Outgoing<'static> = Outgoing {
    body: "{\"hello\":\"world\"}",
    deduplication_id: "evt-1",
    subject: "hybrid-ci.event",
};

/// The control plane, and its environment's own client of SQS.
struct World {
    opener: Opener,
    admin: Client,
    id: String,
}

impl World {
    /// Without moto there is none, and the test is skipped.
    fn new() -> Option<Self> {
        let moto = std::env::var("HYBRID_TEST_MOTO").unwrap_or_default();
        if moto.is_empty() {
            println!("skipped: there is no moto (HYBRID_TEST_MOTO is not set)");
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "with CI=true nothing is skipped");
            return None;
        }
        let lookup = |name: &str| {
            let value = match name {
                "AWS_REGION" => "us-east-1",
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
                "AWS_ENDPOINT_URL_SQS" | "AWS_ENDPOINT_URL_STS" => moto.as_str(),
                _ => return None,
            };
            Some(value.to_owned())
        };
        let credentials =
            aws_credential_types::Credentials::new("test", "test", None, None, "tests");
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(&moto)
            .build();
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        Some(Self {
            opener: Opener::of_function(&lookup).unwrap(),
            admin: Client::from_conf(config),
            id: format!("{:016x}", u64::from_ne_bytes(random)),
        })
    }

    fn reference(&self, name: &str) -> QueueReference {
        let id = &self.id;
        QueueReference {
            provider: QueueProvider::AwsSqs,
            address: format!("https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{id}-{name}"),
        }
    }

    fn role(&self) -> Access {
        let id = &self.id;
        let role = format!("arn:aws:iam::{ACCOUNT}:role/hybrid-ci-{id}");
        Access::Role {
            role: RoleArn::parse(&role).unwrap(),
            external_id: ExternalId::new([1; 16]),
        }
    }

    /// A queue that is there, opened in the customer's role; and its URL.
    async fn queue(&self, name: &str) -> (Queue, String) {
        let mut call = self.admin.create_queue();
        if name == "events.fifo" {
            call = call.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let made = call.queue_name(format!("{}-{name}", self.id)).send().await;
        let url = made.unwrap().queue_url.unwrap();
        (self.open(name).await, url)
    }

    async fn open(&self, name: &str) -> Queue {
        let (queue, access) = (self.reference(name), self.role());
        let opened = self.opener.open(&queue, &access, SystemTime::now()).await;
        opened.unwrap()
    }
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let Some(world) = World::new() else { return };
    let (queue, url) = world.queue("events").await;
    queue.verify_access().await.unwrap();
    queue.send(MESSAGE).await.unwrap();
    assert_eq!(queue.attributes().await.unwrap().waiting, Some(1));

    let received = queue.receive(10, Duration::from_secs(1)).await.unwrap();
    let message = &received[0];
    assert_eq!(
        (message.body.as_str(), message.receive_count),
        (MESSAGE.body, 1)
    );
    assert_eq!(message.subject, MESSAGE.subject);
    let attributes = queue.attributes().await.unwrap();
    assert_eq!(
        (attributes.waiting, attributes.in_flight),
        (Some(0), Some(1))
    );
    queue.delete(&message.receipt).await.unwrap();
    let attributes = queue.attributes().await.unwrap();
    assert_eq!(
        (attributes.waiting, attributes.in_flight),
        (Some(0), Some(0))
    );

    // The subject stands beside the body.
    queue.send(MESSAGE).await.unwrap();
    let call = world.admin.receive_message().queue_url(&url);
    let seen = call.message_attribute_names("All").send().await.unwrap();
    let attributes = seen.messages()[0].message_attributes.as_ref().unwrap();
    let subject = attributes["subject"].string_value.as_deref();
    assert_eq!(subject, Some("hybrid-ci.event"));
}

#[tokio::test]
async fn what_is_not_deleted_comes_back_and_counts() {
    let Some(world) = World::new() else { return };
    let (queue, url) = world.queue("events").await;
    queue.send(MESSAGE).await.unwrap();
    let first = queue.receive(1, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(queue.receive(1, Duration::ZERO).await.unwrap(), []);
    // As if the time had passed for which it is hidden.
    let show = world.admin.change_message_visibility().queue_url(&url);
    let show = show.receipt_handle(&first.receipt).visibility_timeout(0);
    show.send().await.unwrap();
    let again = queue.receive(1, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!((&again.id, again.receive_count), (&first.id, 2));
    assert_ne!(again.receipt, first.receipt);
    queue.delete(&again.receipt).await.unwrap();
}

#[tokio::test]
async fn no_call_receives_more_than_ten_and_all_are_received() {
    let Some(world) = World::new() else { return };
    let (queue, _) = world.queue("events").await;
    for number in 0..25 {
        let body = number.to_string();
        let message = Outgoing {
            body: &body,
            ..MESSAGE
        };
        queue.send(message).await.unwrap();
    }
    let mut bodies = BTreeSet::new();
    for _ in 0..25 {
        let received = queue.receive(100, Duration::ZERO).await.unwrap();
        assert!(received.len() <= 10);
        for message in received {
            queue.delete(&message.receipt).await.unwrap();
            assert!(bodies.insert(message.body));
        }
    }
    assert_eq!(bodies.len(), 25);
}

#[tokio::test]
async fn a_queue_that_keeps_the_order_drops_what_it_was_sent_twice() {
    let Some(world) = World::new() else { return };
    let (queue, _) = world.queue("events.fifo").await;
    for deduplication_id in ["evt-1", "evt-1", "evt-2"] {
        let message = Outgoing {
            deduplication_id,
            ..MESSAGE
        };
        queue.send(message).await.unwrap();
    }
    assert_eq!(queue.attributes().await.unwrap().waiting, Some(2));
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_said_to_be_missing() {
    let Some(world) = World::new() else { return };
    let queue = world.open("nowhere").await;
    let outcomes = [
        queue.verify_access().await,
        queue.receive(1, Duration::ZERO).await.map(|_| ()),
        queue.send(MESSAGE).await,
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(matches!(error, QueueError::Missing(_)), "{error}");
    }
}

#[tokio::test]
async fn a_role_is_assumed_once_and_again_shortly_before_its_end() {
    let Some(world) = World::new() else { return };
    let Access::Role { role, external_id } = world.role() else {
        unreachable!("a role");
    };
    let now = SystemTime::now();
    let roles = world.opener.roles();
    let first = roles.assume(&role, &external_id, now).await.unwrap();
    assert!(first.session_token().is_some());
    assert_ne!(first.access_key_id(), "test");
    let life = first.expiry().unwrap().duration_since(now).unwrap();
    assert!((800..=960).contains(&life.as_secs()), "{life:?}");
    let soon = now + Duration::from_mins(12);
    let same = roles.assume(&role, &external_id, soon).await.unwrap();
    assert_eq!(same.access_key_id(), first.access_key_id());
    let late = now + Duration::from_mins(14);
    let next = roles.assume(&role, &external_id, late).await.unwrap();
    assert_ne!(next.access_key_id(), first.access_key_id());
    // Another relay's ExternalId is another's credentials.
    let other = ExternalId::new([2; 16]);
    let others = roles.assume(&role, &other, late).await.unwrap();
    assert_ne!(others.access_key_id(), next.access_key_id());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let lookup = |name: &str| match name {
        "AWS_SESSION_TOKEN" => None,
        "AWS_ENDPOINT_URL_SQS" | "AWS_ENDPOINT_URL_STS" => Some(nowhere.clone()),
        _ => Some("us-east-1".to_owned()),
    };
    let plane = Opener::of_function(&lookup).unwrap();
    let reference = QueueReference {
        provider: QueueProvider::AwsSqs,
        address: format!("https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/events"),
    };
    let access = Access::Role {
        role: RoleArn::parse("arn:aws:iam::123456789012:role/hybrid-ci").unwrap(),
        external_id: ExternalId::new([1; 16]),
    };
    let opened = plane.open(&reference, &access, SystemTime::now()).await;
    assert_eq!(opened.unwrap_err().code(), "unreachable");
    let opened = plane
        .open(&reference, &Access::Ambient, SystemTime::now())
        .await;
    let error = opened.unwrap().verify_access().await.unwrap_err();
    assert_eq!(error.code(), "unreachable");
}
