//! What the relay does when what it needs is there, and when it is not.

use crate::fixtures;
use crate::world::{KEY, SECRET, World, headers, post, signature};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use queues::{LocalQueues, Outgoing, Queue};
use serde_json::json;
use sha2::{Digest, Sha256};
use wire::CommitmentAlgorithm;

#[tokio::test]
async fn an_event_is_numbered_signed_and_committed_to() {
    let world = World::new();
    let (headers, body) = fixtures::one("github", "push");
    world.deliver("github", &headers, &body).await.event_id();
    let (headers, other) = fixtures::one("github", "release");
    world.deliver("github", &headers, &other).await.event_id();
    let events = world.events().await;
    let numbers: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(
        events[0].relay_id.as_str(),
        "relay-01JAB3Z5K8Q4V6W7X9Y0ZABCDE"
    );
    let commitment = &events[0].event.commitment;
    assert_eq!(commitment.algorithm, CommitmentAlgorithm::Sha256);
    assert_eq!(
        commitment.digest.as_str(),
        HEXLOWER.encode(&Sha256::digest(&body))
    );
}

#[tokio::test]
async fn with_an_audit_key_nobody_else_can_tell_what_the_commitment_is_to() {
    let world = World::with(&[("AUDIT_KEY", "file://{dir}/key")]);
    let (headers, body) = fixtures::one("github", "push");
    world.deliver("github", &headers, &body).await.event_id();
    let event = world.events().await.remove(0).event;
    assert_eq!(event.commitment.algorithm, CommitmentAlgorithm::HmacSha256);
    let mac = Hmac::<Sha256>::new_from_slice(b"a key of the customer's own").unwrap();
    let digest = mac.chain_update(&body).finalize().into_bytes();
    assert_eq!(event.commitment.digest.as_str(), HEXLOWER.encode(&digest));
}

#[tokio::test]
async fn pseudonyms_hide_names_and_stay_the_same() {
    let more = [
        ("PSEUDONYM_KEY", "file://{dir}/key"),
        ("PSEUDONYMS", "repository,branch"),
    ];
    let (world, again) = (World::with(&more), World::with(&more));
    let (headers, body) = fixtures::one("github", "push");
    world.deliver("github", &headers, &body).await.event_id();
    again.deliver("github", &headers, &body).await.event_id();
    let event = world.events().await.remove(0).event;
    let same = again.events().await.remove(0).event;
    assert_eq!(event.repository, same.repository);
    let text = serde_json::to_string(&event).unwrap();
    for hidden in ["Hello-World", "feature/login"] {
        assert!(!text.contains(hidden), "{text}");
    }
    assert_eq!(event.repository.unwrap().as_str().len(), 32);
    assert_eq!(event.branch.unwrap().as_str().len(), 32);
    assert_eq!(event.git_repo, None);
    assert!(event.commit_sha.is_some());
}

#[tokio::test]
async fn a_field_that_the_contract_does_not_allow_is_left_out_and_named() {
    let world = World::new();
    let (headers, body) = fixtures::one("github", "push");
    let text = String::from_utf8(body).unwrap();
    let body = text.replace("\"login\":\"Codertocat\"", "\"login\":\"ghp_0123456789\"");
    let answer = world.deliver("github", &headers, body.as_bytes()).await;
    let event = world.events().await.remove(0).event;
    assert_eq!(answer.event_id(), event.event_id.as_str());
    assert_eq!(event.author, None);
    let line = world.journal().pop().unwrap();
    assert_eq!(line["left_out"], json!(["author"]));
}

#[tokio::test]
async fn a_tool_without_a_secret_is_refused() {
    let world = World::with(&[("SECRETS", "gitlab=file://{dir}/none")]);
    let (headers, body) = fixtures::one("github", "push");
    let answer = world.deliver("github", &headers, &body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["code"], "no_secret");
    // And one whose secret is not where it should be, or is empty.
    let (headers, body) = fixtures::one("gitlab", "push");
    let answer = world.deliver("gitlab", &headers, &body).await;
    assert_eq!(answer.json()["code"], "no_secret");
    world.write("none", "\n");
    world.pass(60);
    let answer = world.deliver("gitlab", &headers, &body).await;
    assert_eq!(answer.json()["code"], "no_secret");
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_read_anew_when_a_signature_does_not_fit() {
    let world = World::new();
    let (mut headers, body) = fixtures::one("github", "push");
    world.deliver("github", &headers, &body).await.event_id();
    world.write("secret", "the new secret");
    let (name, value) = signature("github", "the new secret", b"{}");
    headers.insert(name.to_owned(), value);
    let request = || post("github", &headers, &b"{}"[..]);
    // Whoever sends wrong signatures cannot make the relay ask the vault at every one.
    world.pass(5);
    assert_eq!(world.send(request()).await.status, StatusCode::UNAUTHORIZED);
    world.pass(6);
    assert_eq!(world.send(request()).await.status, StatusCode::NO_CONTENT);
    let old = world.deliver("github", &headers, &body).await;
    assert_eq!(old.json()["code"], "signature_wrong");
}

#[tokio::test]
async fn while_a_secret_is_rotated_the_old_and_the_new_one_are_good() {
    let world = World::new();
    world.write("secret", &format!("the new secret\n{SECRET}\n"));
    let (mut headers, body) = fixtures::one("github", "push");
    world.deliver("github", &headers, &body).await.event_id();
    let (name, value) = signature("github", "the new secret", b"{}");
    headers.insert(name.to_owned(), value);
    let answer = world.send(post("github", &headers, &b"{}"[..])).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_its_own_key_the_relay_sends_nothing() {
    let world = World::with(&[("IDENTITY", "file://{dir}/elsewhere.json")]);
    let (headers, body) = fixtures::one("github", "push");
    for text in [None, Some("{}"), Some("")] {
        if let Some(text) = text {
            world.write("elsewhere.json", text);
            world.pass(400);
        }
        let answer = world.deliver("github", &headers, &body).await;
        assert_eq!(answer.json()["code"], "identity_unavailable");
        assert_eq!(answer.headers["retry-after"], "30");
    }
    assert!(world.events().await.is_empty());
}

/// A queue that takes nothing: it is full.
#[tokio::test]
async fn what_the_queue_does_not_take_is_not_acknowledged_and_may_come_again() {
    let local = LocalQueues::default().queue("inbound");
    let queue = Queue::Local(local);
    let filler = Outgoing {
        body: "",
        deduplication_id: "",
        subject: "",
    };
    while queue.send(filler).await.is_ok() {}
    let world = World::with_queue(&[], queue.clone());
    let (headers, body) = fixtures::one("github", "push");
    let answer = world.deliver("github", &headers, &body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "30");
    assert_eq!(answer.json()["code"], "queue_unavailable");
    assert_eq!(world.journal().pop().unwrap()["cause"], "unreachable");
    let taken = queue.receive(10, std::time::Duration::ZERO).await.unwrap();
    for message in taken {
        queue.delete(&message.receipt).await.unwrap();
    }
    world.deliver("github", &headers, &body).await.event_id();
    let line = world.journal().pop().unwrap();
    assert_eq!(
        line["event"], "forwarded",
        "it was not taken for a duplicate"
    );
    assert_eq!(line["sequence"], 2, "no two messages have one number");
}

#[tokio::test]
async fn gitlabs_signed_deliveries_are_told_apart_by_their_id() {
    let world = World::new();
    world.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let (_, body) = fixtures::one("gitlab", "push");
    let key = data_encoding::BASE64
        .decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .unwrap();
    let delivery = |id: &str, seconds: i64| {
        let timestamp = (crate::world::NOW / 1000 + seconds).to_string();
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let mac = mac
            .chain_update(format!("{id}.{timestamp}."))
            .chain_update(&body);
        let digest = data_encoding::BASE64.encode(&mac.finalize().into_bytes());
        let headers = headers(&[
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &format!("v1,{digest}")),
            ("content-type", "application/json"),
        ]);
        post("gitlab", &headers, body.clone())
    };
    let first = world.send(delivery("a", 0)).await.event_id();
    let retried = world.send(delivery("a", 60)).await.event_id();
    let other = world.send(delivery("b", 0)).await.event_id();
    assert_eq!(first, retried);
    assert_ne!(first, other);
    assert_eq!(world.events().await.len(), 2);
    let stale = world.send(delivery("c", -301)).await;
    assert_eq!(stale.json()["code"], "signature_stale");
}

#[tokio::test]
async fn a_tool_file_of_ones_own_takes_the_place_of_the_one_that_is_built_in() {
    let directory = tempfile::tempdir().unwrap();
    let template = include_str!("../../tools/template.yaml");
    std::fs::write(directory.path().join("own.yaml"), template).unwrap();
    let at = directory.path().display().to_string();
    let world = World::with(&[
        ("TOOLS_DIRECTORY", &at),
        ("SECRETS", "template=file://{dir}/secret"),
    ]);
    let body = json!({
        "type": "build.finished",
        "project": { "name": "shop", "url": "git.example.com/a/shop" },
        "user": { "login": "Dev" },
        "build": { "kind": "nightly", "ref": "refs/heads/main", "number": 7, "result": "OK",
                   "commit": "6113728f27ae82c7b1a177c8d03f9e96e0adf246" },
    });
    let body = body.to_string();
    let (_, value) = signature("github", SECRET, body.as_bytes());
    let headers = headers(&[
        ("X-Signature", &value),
        ("content-type", "application/json; charset=utf-8"),
    ]);
    world
        .send(post("template", &headers, body))
        .await
        .event_id();
    let event = world.events().await.remove(0).event;
    assert_eq!(event.status.unwrap().as_str(), "success");
    assert_eq!(event.author.unwrap().as_str(), "dev");
    assert_eq!(
        event.git_repo.unwrap().as_str(),
        "https://git.example.com/a/shop.git"
    );
}

#[tokio::test]
async fn the_relay_says_that_it_is_there() {
    let world = World::new();
    let request = Request::get("/health")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["status"], "ok");
}

/// Unique strings in every part of a delivery: none is in the message or in the journal, but those that the contract names.
#[tokio::test]
async fn nothing_leaves_but_what_the_contract_names() {
    let world = World::new();
    let (mut headers, body) = fixtures::one("github", "push");
    headers.insert("X-Canary".to_owned(), "canary-in-a-header".to_owned());
    let text = String::from_utf8(body).unwrap();
    let body = text.replace("hunter2", "canary-in-a-commit");
    world
        .deliver("github", &headers, body.as_bytes())
        .await
        .event_id();
    let event = world.events().await.remove(0);
    let sent = serde_json::to_string(&event).unwrap();
    let said = serde_json::to_string(&world.journal()).unwrap();
    let key = HEXLOWER.encode(&KEY);
    for canary in [
        "canary",
        "Rotate the database",
        "mona@github.com",
        "src/main.rs",
        SECRET,
        &key,
    ] {
        assert!(!sent.contains(canary) && !said.contains(canary), "{canary}");
    }
}
