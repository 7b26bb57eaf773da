use super::server::{Reply, Server, external_id};
use super::service_bus::{access, reference};
use crate::cloud::{Call, Http};
use crate::opener::sqs_client;
use crate::{Access, Opener};
use aws_sdk_sqs::config::Region;
use http::Method;
use serde_json::json;
use std::time::SystemTime;
use wire::QueueProvider;
use wire::relay::{QueueReference, RoleArn};

fn queue(provider: QueueProvider, address: &str) -> QueueReference {
    QueueReference {
        provider,
        address: address.to_owned(),
    }
}

#[tokio::test]
async fn the_control_plane_reaches_no_queue_as_itself() {
    let server = Server::start(|_| Reply::status(200)).await;
    let plane = server.opener();
    let role = Access::Role {
        role: RoleArn::parse("arn:aws:iam::123456789012:role/hybrid-ci").unwrap(),
        external_id: external_id(1),
    };
    let topic = queue(
        QueueProvider::GcpPubsub,
        "projects/example-project/topics/decisions",
    );
    let sqs = queue(
        QueueProvider::AwsSqs,
        "https://sqs.eu-central-1.amazonaws.com/123456789012/events",
    );
    for (queue, access) in [
        (&reference(), &Access::Ambient),
        (&topic, &Access::Ambient),
        (&reference(), &role),
        (&topic, &role),
        // Of another cloud.
        (&topic, &access(1)),
        (&sqs, &access(1)),
    ] {
        let opened = plane.open(queue, access, SystemTime::now()).await;
        assert_eq!(opened.unwrap_err().code(), "denied", "{queue:?} {access:?}");
    }
    let nowhere = queue(
        QueueProvider::AzureServiceBus,
        "https://evil.example/events",
    );
    let opened = plane.open(&nowhere, &access(1), SystemTime::now()).await;
    assert_eq!(opened.unwrap_err().code(), "refused");
    assert_eq!(server.lines(), [""; 0]);
}

/// AWS: a role that asks for the first relay's ExternalId, and a queue that it may read.
async fn aws() -> Server {
    Server::start(|asked| {
        if asked.path != "/" || asked.header("x-amz-target").is_empty() {
            let form = asked.form();
            assert_eq!(form["Action"], "AssumeRole");
            let knows = form.get("ExternalId").map(String::as_str) == Some(external_id(1).as_str());
            let (status, body) = if knows {
                let body = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
                    <AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
                    <SessionToken>session</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
                    </Credentials></AssumeRoleResult></AssumeRoleResponse>";
                (200, body)
            } else {
                let body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
                (403, body)
            };
            return Reply {
                body: body.as_bytes().to_vec(),
                ..Reply::status(status)
            };
        }
        Reply::json(200, &json!({ "Attributes": { "ApproximateNumberOfMessages": "7" } }))
    })
    .await
}

#[tokio::test]
async fn a_queue_of_aws_is_called_in_the_role_and_in_its_own_region() {
    let server = aws().await;
    let plane = server.opener();
    let sqs = queue(
        QueueProvider::AwsSqs,
        "https://sqs.eu-west-3.amazonaws.com/123456789012/events",
    );
    let role = |number| Access::Role {
        role: RoleArn::parse("arn:aws:iam::123456789012:role/hybrid-ci").unwrap(),
        external_id: external_id(number),
    };
    for _ in 0..2 {
        let opened = plane.open(&sqs, &role(1), SystemTime::now()).await.unwrap();
        assert_eq!(opened.attributes().await.unwrap().waiting, Some(7));
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "the role is assumed once");
    let signed = asked[2].header("authorization");
    assert!(signed.contains("Credential=ROLEKEY/"), "{signed}");
    assert!(signed.contains("/eu-west-3/sqs/"), "{signed}");
    assert_eq!(asked[2].header("x-amz-security-token"), "session");
    assert_eq!(asked[2].json()["QueueUrl"], sqs.address);
    // Another relay names the same role: its own ExternalId does not open it.
    let opened = plane.open(&sqs, &role(2), SystemTime::now()).await;
    assert_eq!(opened.unwrap_err().code(), "denied");
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_followed_by_a_relay_and_not_by_the_control_plane() {
    let server = Server::start(|_| Reply::status(200)).await;
    let url = server.base.replace("127.0.0.1", "localhost");
    let call = || Call::new(Method::GET, format!("{url}/"));
    let answer = Http::public().send(call()).await;
    assert_eq!(answer.err().unwrap().code(), "unreachable");
    assert_eq!(server.lines(), [""; 0]);
    assert_eq!(Http::any().send(call()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_relay_whose_identity_of_azure_is_misspelt_opens_no_queue_there() {
    let client = sqs_client(Region::from_static("us-east-1"), None, None);
    let relay = Opener::of_relay(client.get().clone(), &|name| {
        (name == "AZURE_CLIENT_ID").then(|| "mine".to_owned())
    });
    let now = SystemTime::now();
    let opened = relay.open(&reference(), &Access::Ambient, now).await;
    let error = opened.unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(error.to_string().contains("AZURE_CLIENT_ID"), "{error}");
    // Another cloud's queue is not opened with it.
    let topic = queue(
        QueueProvider::GcpPubsub,
        "projects/example-project/topics/events",
    );
    assert!(relay.open(&topic, &Access::Ambient, now).await.is_ok());
}

#[test]
fn a_function_says_everything_that_is_missing() {
    let faults =
        Opener::of_function(&|name| (name == "AWS_REGION").then(|| "eu-central-1".to_owned()));
    assert_eq!(
        faults.unwrap_err(),
        [
            "AWS_ACCESS_KEY_ID is missing",
            "AWS_SECRET_ACCESS_KEY is missing"
        ]
    );
    assert!(Opener::of_function(&|_| Some("x".to_owned())).is_ok());
}

#[cfg(feature = "local")]
#[tokio::test]
async fn queues_of_this_process_are_there_for_whoever_has_them() {
    use crate::LocalQueues;
    let queues = LocalQueues::default();
    let plane = Opener::local(queues.clone());
    let local = queue(QueueProvider::Local, "events");
    let opened = plane
        .open(&local, &Access::Ambient, SystemTime::now())
        .await;
    let opened = opened.unwrap();
    opened.send(super::service_bus::MESSAGE).await.unwrap();
    let same = crate::Queue::Local(queues.queue("events"));
    assert_eq!(same.attributes().await.unwrap().waiting, Some(1));
    let server = Server::start(|_| Reply::status(200)).await;
    let plane = server.opener();
    let opened = plane
        .open(&local, &Access::Ambient, SystemTime::now())
        .await;
    assert_eq!(opened.unwrap_err().code(), "missing");
}
