//! Leases: the agent stops its jobs before others may have them, and reports nothing that is no longer its own.

use crate::repo::Repo;
use crate::world::{World, ended};
use hybrid_agent::{Event, Exit};
use std::time::Instant;
use wire::{Cause, HeldJob};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_stopped_within_the_lease_of_an_outage_and_given_up_when_there_is_contact() {
    let (repo, sha) = Repo::with_script("trap '' TERM; echo up; while :; do sleep 0.01; done");
    let world = World::new().await;
    world.plane().lease_seconds = 3;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the job", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world
        .until("a heartbeat", |plane| plane.heartbeats.first().map(|_| ()))
        .await;
    let last_heard = Instant::now();
    world.plane().broken = Some(503);
    let cause = agent
        .sees("the end", |event| match event {
            Event::JobEnded { cause, .. } => Some(*cause),
            _ => None,
        })
        .await;
    assert!(
        last_heard.elapsed().as_secs_f64() < 3.3,
        "{:?}",
        last_heard.elapsed()
    );
    assert_eq!(cause, Some(Cause::AgentLost));
    assert!(
        world.outbox().is_empty(),
        "nothing is claimed about a job given up before there is contact"
    );
    world.plane().broken = None;
    let result = world.result(&id).await;
    assert!(ended(137, Some(Cause::AgentLost))(&result), "{result:?}");
    assert_eq!(agent.drain().await, Exit::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_given_up_that_went_to_another_agent_is_not_reported() {
    let (repo, sha) = Repo::with_script("echo up; sleep 1000");
    let world = World::new().await;
    world.plane().lease_seconds = 2;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the job", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world.plane().broken = Some(503);
    agent
        .sees("the end", |event| {
            matches!(event, Event::JobEnded { .. }).then_some(())
        })
        .await;
    world.plane().drop.push(HeldJob {
        job_id: id,
        attempt: 1,
    });
    world.plane().broken = None;
    agent
        .sees("the drop", |event| {
            matches!(event, Event::JobAbandoned { .. }).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(world.plane().completions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_that_is_dropped_is_killed_and_not_reported() {
    let (repo, sha) = Repo::with_script("trap '' TERM; echo up; while :; do sleep 0.01; done");
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the job", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world.plane().drop.push(HeldJob {
        job_id: id,
        attempt: 1,
    });
    agent
        .sees("the drop", |event| {
            matches!(event, Event::JobAbandoned { .. }).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(world.plane().completions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_go_on_while_the_agents_own_threads_are_blocked() {
    let world = World::new().await;
    world.plane().lease_seconds = 3;
    let blocked = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (handle, shutdown) = hybrid_agent::shutdown();
    let agent = blocked.spawn(hybrid_agent::run(world.config(), shutdown, |_: &Event| {}));
    world
        .until("the registration", |plane| {
            plane.registered.first().map(|_| ())
        })
        .await;
    world
        .until("a heartbeat", |plane| plane.heartbeats.first().map(|_| ()))
        .await;
    let (release, wait) = std::sync::mpsc::channel::<()>();
    blocked.spawn(async move { wait.recv() });
    let beats = world.plane().heartbeats.len();
    // Four heartbeats a second apart are more than a lease.
    world
        .until("heartbeats", |plane| {
            (plane.heartbeats.len() > beats + 3).then_some(())
        })
        .await;
    drop(release);
    handle.drain();
    assert_eq!(agent.await.unwrap().unwrap(), Exit::Drained);
    blocked.shutdown_background();
}
