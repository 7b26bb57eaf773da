//! More than the control plane can take at once.

use crate::harness::{Answer, Api, Plane, SOON};
use reqwest::Method;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wire::JobId;

/// More than twice of what `local` takes.
const AT_ONCE: usize = 600;

fn request() -> Value {
    json!({
        "job_type": "build", "pool_name": "default", "git_repo": "https://git.example.com/a",
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    })
}

/// Whether a caller who is answered this knows what to do: it is done, or to be tried again after a time that it says.
fn is_clear(status: u16, headers: &HeaderMap) -> bool {
    let says_when = headers
        .get(RETRY_AFTER)
        .is_some_and(|value| value.to_str().unwrap().parse::<u32>().is_ok());
    status == 201 || matches!(status, 429 | 503) && says_when
}

async fn all_accepted_are_in_line(api: &Api, accepted: &BTreeSet<JobId>) {
    let queued = api.list("status=QUEUED").await;
    let queued: BTreeSet<_> = queued.into_iter().map(|job| job.job_id).collect();
    assert!(
        &queued == accepted,
        "{} of {}",
        queued.len(),
        accepted.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_at_once_each_is_answered_and_what_is_accepted_is_kept() {
    let plane = Plane::start().await;
    let api = plane.api();
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let api = api.clone();
        calls.spawn(async move {
            api.call(Method::POST, "/api/queue/jobs", Some(&request()))
                .await
        });
    }
    let answers: Vec<Answer> = timeout(SOON * 2, calls.join_all())
        .await
        .unwrap_or_else(|_| panic!("a request was not answered"));
    let mut accepted = BTreeSet::new();
    for answer in &answers {
        assert!(is_clear(answer.status, &answer.headers), "{answer:?}");
        if answer.status == 201 {
            let id = answer.body["job"]["job_id"].as_str().unwrap();
            accepted.insert(JobId::parse(id).unwrap());
        }
    }
    eprintln!("{} of {AT_ONCE} accepted", accepted.len());
    assert!(!accepted.is_empty());
    all_accepted_are_in_line(&api, &accepted).await;
}

/// A request whose sender is slow: all but its last byte.
struct Slow {
    stream: TcpStream,
    last: u8,
}

impl Slow {
    async fn send(plane: &Plane, token: &str) -> Self {
        let body = request().to_string();
        let (last, begin) = body.as_bytes().split_last().unwrap();
        let address = plane.url().replace("http://", "");
        let head = format!(
            "POST /api/queue/jobs HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(begin).await.unwrap();
        Self {
            stream,
            last: *last,
        }
    }

    /// Whether it has been answered before it was whole.
    async fn is_turned_away(&self) -> bool {
        let mut byte = [0];
        let looked = self.stream.peek(&mut byte);
        timeout(Duration::from_millis(1), looked)
            .await
            .is_ok_and(|read| read.unwrap() > 0)
    }

    /// Sends the rest, and reads the answer.
    async fn finish(mut self) -> (u16, HeaderMap, Value) {
        // Whoever was turned away may not be listened to any more.
        let _ = self.stream.write_all(&[self.last]).await;
        let mut bytes = Vec::new();
        // An end of the connection after the answer is no matter.
        let _ = timeout(SOON, self.stream.read_to_end(&mut bytes))
            .await
            .unwrap_or_else(|_| panic!("a request was not answered"));
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.unwrap_or_else(|| panic!("no answer: {text:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let body = serde_json::from_str(body).unwrap_or_default();
        (status.parse().unwrap(), headers, body)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_that_take_every_place_are_answered_and_others_told_to_come_back() {
    let plane = Plane::start().await;
    let api = plane.api();
    let token = plane.api_token();
    let mut slow = Vec::new();
    for _ in 0..AT_ONCE {
        slow.push(Slow::send(&plane, &token).await);
    }
    // All places are taken as soon as one of them has been turned away.
    crate::harness::until("a request to be turned away", SOON, async || {
        for one in &slow {
            if one.is_turned_away().await {
                return Some(());
            }
        }
        None
    })
    .await;
    let meanwhile = api
        .call(Method::POST, "/api/queue/jobs", Some(&request()))
        .await;
    assert!(
        is_clear(meanwhile.status, &meanwhile.headers),
        "{meanwhile:?}"
    );
    assert_ne!(meanwhile.status, 201, "no place was left");

    let mut accepted = BTreeSet::new();
    let mut turned_away = 0;
    let mut finishing = JoinSet::new();
    for one in slow {
        finishing.spawn(one.finish());
    }
    for (status, headers, body) in finishing.join_all().await {
        assert!(is_clear(status, &headers), "{status} {headers:?} {body}");
        if status == 201 {
            let id = body["job"]["job_id"].as_str().unwrap();
            accepted.insert(JobId::parse(id).unwrap());
        } else {
            turned_away += 1;
        }
    }
    eprintln!("{} accepted, {turned_away} turned away", accepted.len());
    assert!(turned_away > 0 && !accepted.is_empty());
    all_accepted_are_in_line(&api, &accepted).await;
    // It is as fit as before.
    let id = api.enqueue(&request()).await.job_id;
    api.cancel(&id).await;
}
