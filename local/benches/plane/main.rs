//! `cargo xtask bench`: what the plane does in a second, and what it costs.
//!
//! The numbers come from the release build of `hybrid-local` with its database on disk, called over HTTP from another
//! process, one request after the other where a latency is meant. They go to the terminal and to `target/bench.json`.
//! `cargo test -p hybrid-local --bench plane -- units` shows the write units alone, in a debug build; `-- flood` what the flood of
//! one tenant is to another, `-- events` what the events of relays cost, `-- layers` what calls take without HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

mod client;
mod depth;
mod events;
mod flood;
mod layers;
mod process;
mod report;
mod requests;
mod tenant;
mod units;

use client::Client;
use embedded_dynamodb::Engine;
use process::Plane;
use report::Report;
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How many requests a latency is taken from.
const SAMPLES: usize = 500;

/// How many clients work at once where a rate is meant.
const CLIENTS: usize = 8;

fn main() {
    if std::env::args().any(|argument| argument == "flood") {
        flood::measure(&mut Report::new());
        return;
    }
    if std::env::args().any(|argument| argument == "events") {
        events::measure(&mut Report::new());
        return;
    }
    if std::env::args().any(|argument| argument == "layers") {
        layers::measure(&mut Report::new());
        return;
    }
    // What is counted and not timed is the same in a debug build.
    if std::env::args().any(|argument| argument == "units") {
        units::measure(&mut Report::new());
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut report = Report::new();
    runtime.block_on(latencies(&mut report));
    runtime.block_on(rates(&mut report));
    units::measure(&mut report);
    layers::measure(&mut report);
    depth::measure(&mut report);
    flood::measure(&mut report);
    events::measure(&mut report);
    runtime.block_on(memory(&mut report));
    report.finish();
}

/// Where what is measured in this process runs.
fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A database on disk, in a directory that is to outlive it.
fn on_disk() -> (TempDir, Engine) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = Engine::open(directory.path().join("plane.db")).unwrap();
    (directory, engine)
}

/// The latency of each call, for one client, with a thousand jobs in line.
async fn latencies(report: &mut Report) {
    let plane = Plane::start();
    let mut user = plane.user().await;
    let mut keyholder = plane.keyholder().await;
    for _ in 0..100 {
        user.ok("GET", "/health", None).await;
    }
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        samples.push(timed(user.ok("GET", "/health", None)).await);
    }
    report.latency("health, which asks nothing of the store", samples);
    let mut samples = Vec::new();
    for _ in 0..200 {
        samples.push(
            timed(keyholder.ok("POST", "/api/agents/register", Some(requests::register()))).await,
        );
    }
    report.latency("register", samples);
    let (mut agent, agent_id) = plane.agent().await;
    let path = format!("/api/agents/{agent_id}/heartbeat");
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        samples.push(timed(agent.ok("POST", &path, Some(requests::heartbeat()))).await);
    }
    report.latency("heartbeat", samples);
    let mut samples = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        let begun = Instant::now();
        let answer = user
            .ok("POST", "/api/queue/jobs", Some(requests::enqueue()))
            .await;
        samples.push(begun.elapsed());
        ids.push(answer["job"]["job_id"].as_str().unwrap().to_owned());
    }
    report.latency("enqueue", samples);
    let mut samples = Vec::new();
    for id in ids.iter().take(SAMPLES) {
        samples.push(timed(user.ok("GET", &format!("/api/queue/jobs/{id}"), None)).await);
    }
    report.latency("get", samples);
    let mut samples = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let page = user
            .ok("GET", "/api/queue/jobs?status=QUEUED&limit=100", None)
            .await;
        samples.push(begun.elapsed());
        assert_eq!(page["jobs"].as_array().unwrap().len(), 100);
    }
    report.latency("list (100 of 1,000)", samples);
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        samples.push(timed(user.ok("GET", "/api/queue/stats", None)).await);
    }
    report.latency("stats", samples);
    lives(report, &mut user, &mut agent).await;
}

/// Claim, start and complete, with the line kept at a thousand.
async fn lives(report: &mut Report, user: &mut Client, agent: &mut Client) {
    let (mut claims, mut starts, mut completes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        let answer = agent.ok("POST", "/api/queue/claim", Some(json!({}))).await;
        claims.push(begun.elapsed());
        let id = answer["job"]["job_id"].as_str().unwrap().to_owned();
        let path = format!("/api/queue/jobs/{id}/start");
        starts.push(timed(agent.ok("PATCH", &path, Some(json!({"attempt": 1})))).await);
        let path = format!("/api/queue/jobs/{id}/complete");
        completes.push(timed(agent.ok("PATCH", &path, Some(requests::complete()))).await);
        user.ok("POST", "/api/queue/jobs", Some(requests::enqueue()))
            .await;
    }
    report.latency("claim (1,000 queued)", claims);
    report.latency("start", starts);
    report.latency("complete", completes);
}

/// Enqueues and claims a second, by eight clients at once.
async fn rates(report: &mut Report) {
    const JOBS: usize = 4_000;
    let plane = Plane::start();
    let mut users = Vec::new();
    let mut agents = Vec::new();
    for _ in 0..CLIENTS {
        users.push(plane.user().await);
        agents.push(plane.agent().await.0);
    }
    let begun = Instant::now();
    let enqueues = users.into_iter().map(|mut user| {
        tokio::spawn(async move {
            for _ in 0..JOBS / CLIENTS {
                user.ok("POST", "/api/queue/jobs", Some(requests::enqueue()))
                    .await;
            }
        })
    });
    for task in enqueues.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    report.rate("enqueues a second, 8 clients", JOBS, begun.elapsed());
    let begun = Instant::now();
    let claims = agents.into_iter().map(|mut agent| {
        tokio::spawn(async move {
            let mut claimed = 0;
            while agent.ok("POST", "/api/queue/claim", Some(json!({}))).await["job"].is_object() {
                claimed += 1;
            }
            claimed
        })
    });
    let mut claimed = 0;
    for task in claims.collect::<Vec<_>>() {
        claimed += task.await.unwrap();
    }
    assert_eq!(claimed, JOBS, "every job is claimed once");
    report.rate("claims a second, 8 clients", JOBS, begun.elapsed());
}

/// Resident memory at the start, with 10,000 jobs, and with 100,000.
async fn memory(report: &mut Report) {
    let mut plane = Plane::start();
    let samples = (0..10).map(|_| plane.restart()).collect();
    report.latency("start to listening, empty", samples);
    let mut user = plane.user().await;
    user.ok("GET", "/health", None).await;
    report.memory("resident memory at the start", plane.resident_bytes());
    let batch = json!({ "jobs": vec![requests::enqueue(); 100] });
    let mut jobs = 0;
    for (until, name) in [
        (10_000, "resident memory with 10,000 jobs"),
        (100_000, "resident memory with 100,000 jobs"),
    ] {
        while jobs < until {
            user.ok("POST", "/api/queue/jobs/batch", Some(batch.clone()))
                .await;
            jobs += 100;
        }
        report.memory(name, plane.resident_bytes());
    }
    report.latency(
        "start to listening, 100,000 jobs, killed",
        vec![plane.restart()],
    );
    report.memory("resident memory after that", plane.resident_bytes());
}

async fn timed<T>(call: impl Future<Output = T>) -> Duration {
    let begun = Instant::now();
    call.await;
    begun.elapsed()
}
