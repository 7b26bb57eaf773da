//! Hostile deliveries: each the right status, a reason code in the journal, and nothing on the queue.

use crate::fixtures;
use crate::world::{Headers, SECRET, World, headers, post, signature};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;

fn github() -> Headers {
    headers(&[
        ("X-GitHub-Event", "push"),
        ("X-GitHub-Delivery", "1"),
        ("Content-Type", "application/json"),
    ])
}

fn signed(mut headers: Headers, body: &[u8]) -> Request<Body> {
    let (name, value) = signature("github", SECRET, body);
    headers.insert(name.to_owned(), value);
    post("github", &headers, body.to_vec())
}

fn with(name: &str, value: &str) -> Headers {
    let mut headers = github();
    headers.insert(name.to_owned(), value.to_owned());
    headers
}

fn push(branch: &str, repository: &str) -> Vec<u8> {
    let body = json!({
        "ref": format!("refs/heads/{branch}"),
        "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "deleted": false,
        "repository": { "full_name": repository, "clone_url": "https://github.com/a/b.git" },
    });
    body.to_string().into_bytes()
}

/// What is sent, the status of the answer, and the reason in the journal: of a refusal, or with 204 of why it is ignored.
type Row = (&'static str, Request<Body>, u16, &'static str);

/// What is refused before it is parsed.
fn unverified() -> Vec<Row> {
    let good = push("main", "a/b");
    let unsigned = post("github", &github(), good.clone());
    let signed_for = |secret: &str, body: &[u8]| {
        let mut headers = github();
        let (name, value) = signature("github", secret, body);
        headers.insert(name.to_owned(), value);
        post("github", &headers, good.clone())
    };
    let wrong = signed_for("another secret", &good);
    let of_another_body = signed_for(SECRET, b"{}");
    let declared = post("github", &with("Content-Length", "31457280"), Vec::new());
    let pieces = (0..30).map(|_| Ok::<_, std::io::Error>(vec![b' '; MIB]));
    let pieces = Body::from_stream(futures_util::stream::iter(pieces));
    let streamed = post("github", &github(), pieces);
    let unknown = post("nothing", &github(), good.clone());
    let upwards = post("..%2fgithub", &github(), good.clone());
    let get = Request::get("/relay/webhooks/github");
    let elsewhere = Request::post("/admin");
    vec![
        ("unsigned", unsigned, 401, "signature_missing"),
        ("signed with another secret", wrong, 401, "signature_wrong"),
        (
            "signed for another body",
            of_another_body,
            401,
            "signature_wrong",
        ),
        ("30 MiB, declared", declared, 413, "body_too_large"),
        ("30 MiB, streamed", streamed, 413, "body_too_large"),
        ("an unknown tool", unknown, 404, "unknown_tool"),
        ("a path in the tool", upwards, 404, "unknown_tool"),
        (
            "another method",
            get.body(Body::empty()).unwrap(),
            405,
            "method_not_allowed",
        ),
        (
            "another path",
            elsewhere.body(Body::empty()).unwrap(),
            404,
            "unknown_path",
        ),
    ]
}

/// What is signed, and no JSON that is read.
fn malformed() -> Vec<Row> {
    let good = push("main", "a/b");
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let objects = "{\"a\":".repeat(1_000_000) + "1" + &"}".repeat(1_000_000);
    let wide = format!("[{}1]", "1,".repeat(1_000_000));
    let keys: Vec<_> = (0..1_000_000).map(|key| format!("\"{key}\":1")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let twice = br#"{"ref":"refs/heads/a","ref":"refs/heads/b"}"#;
    let form = with("Content-Type", "application/x-www-form-urlencoded");
    let form = signed(form, b"payload=%7B%7D");
    let text = signed(with("Content-Type", "text/plain"), &good);
    let compressed = signed(with("Content-Encoding", "gzip"), &good);
    let json = |body: &[u8]| signed(github(), body);
    vec![
        (
            "a million lists deep",
            json(deep.as_bytes()),
            400,
            "too_deep",
        ),
        (
            "a million objects deep",
            json(objects.as_bytes()),
            400,
            "too_deep",
        ),
        (
            "a million wide",
            json(wide.as_bytes()),
            400,
            "too_many_nodes",
        ),
        (
            "a million keys",
            json(keys.as_bytes()),
            400,
            "too_many_nodes",
        ),
        ("not JSON", json(b"hello"), 400, "not_json"),
        ("not UTF-8", json(b"\"\xff\xfe\""), 400, "not_json"),
        ("empty", json(b""), 400, "not_json"),
        ("a key twice", json(twice), 400, "duplicate_key"),
        ("a form", form, 415, "content_type"),
        ("text", text, 415, "content_type"),
        ("compressed", compressed, 415, "content_type"),
    ]
}

/// What is signed JSON, and says what the contract does not allow.
fn against_the_contract() -> Vec<Row> {
    let hostile = |branch: &str, repository: &str| signed(github(), &push(branch, repository));
    let names = [
        ("CRLF in a branch", "a\r\nX-Evil: 1", "a/b"),
        ("right to left", "\u{202e}niam", "a/b"),
        ("a script", "main", "<script>alert(1)</script>"),
        ("64 KiB of name", &"x".repeat(64 * 1024), "a/b"),
        ("an option to git", "--upload-pack=x", "a/b"),
        ("a token for a name", "ghp_0123456789abcdef", "a/b"),
    ];
    let names = names.map(|(what, branch, repository)| {
        (what, hostile(branch, repository), 422, "contract_broken")
    });
    let text = |change: &str, to: &str| {
        let text = String::from_utf8(push("main", "a/b")).unwrap();
        assert!(text.contains(change));
        signed(github(), text.replacen(change, to, 1).as_bytes())
    };
    let object = text("\"full_name\":\"a/b\"", "\"full_name\":{}");
    let mut rows: Vec<Row> = names.into_iter().collect();
    rows.push(("an object for a name", object, 422, "contract_broken"));
    rows
}

/// What is signed JSON, and no event.
fn ignored() -> Vec<Row> {
    let body = push("main", "a/b");
    let list = signed(github(), br#"{"ref":["refs/heads/a"]}"#);
    let neither = signed(github(), br#"{"ref":"refs/notes/commits"}"#);
    let deletes = signed(github(), br#"{"ref":"refs/heads/a","deleted":true}"#);
    let event = signed(with("X-GitHub-Event", "party"), &body);
    let mut none = github();
    none.remove("X-GitHub-Event");
    vec![
        ("a field of another type", list, 204, "unreadable"),
        ("no branch, no tag", neither, 204, "conditions_unmet"),
        ("a branch that is gone", deletes, 204, "ignored_by_file"),
        ("an unknown event", event, 204, "unknown_event"),
        ("no event", signed(none, &body), 204, "no_event"),
    ]
}

#[tokio::test]
async fn hostile_deliveries_are_refused_with_a_reason_and_nothing_is_forwarded() {
    let world = World::new();
    let rows = [unverified(), malformed(), against_the_contract(), ignored()];
    for (what, request, status, reason) in rows.into_iter().flatten() {
        let before = world.journal().len();
        let answer = world.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{what}");
        assert!(world.events().await.is_empty(), "{what}");
        let journal = world.journal();
        assert_eq!(journal.len(), before + 1, "{what}");
        let line = &journal[before];
        assert_only_words(line);
        assert_eq!(line["reason"], reason, "{what}");
        if status == 204 {
            assert_eq!(line["event"], "ignored", "{what}");
            assert_eq!(line["tool"], "github", "{what}");
            let request = answer.headers["x-request-id"].to_str().unwrap();
            assert_eq!(line["request"], request, "{what}");
            continue;
        }
        assert_eq!(line["event"], "refused", "{what}");
        let problem = answer.json();
        assert_eq!(problem["code"], reason, "{what}");
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["instance"], line["request"], "{what}");
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{what}"
        );
    }
}

/// Nothing of a delivery is in a line: what is not a known word, a number or an id of ours would be.
fn assert_only_words(line: &Value) {
    let text = line.to_string();
    for secret in [
        SECRET,
        "refs/heads",
        "<script>",
        "X-Evil",
        "ghp_",
        "xxxx",
        "nothing",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_copy_under_another_delivery_id_is_the_same_event() {
    let world = World::new();
    let (mut headers, body) = fixtures::one("github", "push");
    let first = world.deliver("github", &headers, &body).await.event_id();
    let delivery = headers["X-GitHub-Delivery"].clone();
    headers.insert("X-GitHub-Delivery".to_owned(), "another".to_owned());
    let second = world.deliver("github", &headers, &body).await.event_id();
    assert_eq!(first, second);
    assert_eq!(world.events().await.len(), 1);
    let line = world.journal().pop().unwrap();
    assert_eq!(line["event"], "duplicate");
    assert_eq!(line["reason"], "same_body");
    headers.insert("X-GitHub-Delivery".to_owned(), delivery);
    world.deliver("github", &headers, &body).await.event_id();
    let line = world.journal().pop().unwrap();
    assert_eq!(
        (&line["event"], &line["reason"]),
        (&json!("duplicate"), &json!("same_delivery"))
    );
    // Another process knows nothing of it, and still makes the same id.
    let other = World::new();
    let third = other.deliver("github", &headers, &body).await.event_id();
    assert_eq!(first, third);
}

/// A copy of an old webhook, sent with the delivery id of one to come, does not take its place.
#[tokio::test]
async fn a_delivery_id_that_nobody_signed_suppresses_nothing() {
    let world = World::new();
    let mut headers = github();
    headers.insert("X-GitHub-Delivery".to_owned(), "guessed".to_owned());
    let old = world.deliver("github", &headers, &push("old", "a/b")).await;
    let new = world.deliver("github", &headers, &push("new", "a/b")).await;
    assert_ne!(old.event_id(), new.event_id());
    assert_eq!(world.events().await.len(), 2);
}

/// Each of these holds the least memory there is, and waits for the rest of its body.
#[tokio::test]
async fn no_more_bodies_are_held_than_there_is_memory_for() {
    let world = World::new();
    let body = push("main", "a/b");
    let mut waiting = Vec::new();
    for _ in 0..4096 {
        let stream = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = post("github", &github(), Body::from_stream(stream));
        let mut call = Box::pin(world.send(request));
        assert!(futures_util::poll!(call.as_mut()).is_pending());
        waiting.push(call);
    }
    let answer = world.deliver("github", &github(), &body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(answer.json()["code"], "too_busy");
    drop(waiting);
    let answer = world.deliver("github", &github(), &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

/// A sender that never ends is cut off.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_to_its_end_is_given_up() {
    let world = World::new();
    let stream = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = world
        .send(post("github", &github(), Body::from_stream(stream)))
        .await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.json()["code"], "body_too_slow");
}
