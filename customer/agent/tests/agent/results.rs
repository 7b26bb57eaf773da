//! Results: nothing is lost in an outage or a restart, and nothing is reported for ever.

use crate::plane::{at, serve};
use crate::repo::Repo;
use crate::world::{Agent, World, ended};
use hybrid_agent::{Error, Event, Exit};
use std::time::{Duration, Instant};
use wire::{Cause, Directive};

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_an_outage_is_delivered_when_there_is_contact_again() {
    let (repo, sha) = Repo::with_script("echo ran");
    let world = World::new().await;
    world.plane().refuse_complete = Some(503);
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    world
        .until("two tries", |plane| {
            (plane.completions.len() >= 2).then_some(())
        })
        .await;
    assert_eq!(world.outbox().len(), 1);
    world.plane().refuse_complete = None;
    agent
        .sees("the delivery", |event| {
            matches!(event, Event::Delivered { .. }).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(world.outbox().is_empty());
    let plane = world.plane();
    assert!(
        plane
            .completions
            .iter()
            .all(|(job, result, _)| *job == id && ended(0, None)(result))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_survives_the_agents_end_and_is_reported_under_its_own_session() {
    let (repo, sha) = Repo::with_script("exit 3");
    let world = World::new().await;
    world.plane().refuse_complete = Some(500);
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    world.result(&id).await;
    // As if it had been killed: the task is gone, and what is on disk is all there is.
    agent.shutdown.stop();
    assert_eq!(agent.task.await.unwrap().unwrap(), Exit::Stopped);
    assert_eq!(world.outbox().len(), 1);
    assert!(
        world.plane().deregistered.is_empty(),
        "the session is kept for the result"
    );
    world.plane().refuse_complete = None;
    world.plane().completions.clear();
    let agent = world.agent();
    let result = world.result(&id).await;
    assert!(ended(3, Some(Cause::ExitCode))(&result));
    // Its start, and each report by either agent.
    let traces = world.plane().traces.clone();
    assert!(traces.len() >= 3 && traces.iter().all(|trace| *trace == traces[0]));
    assert_eq!(agent.drain().await, Exit::Drained);
    assert_eq!(world.plane().completions[0].2, "hcp_test_s_session-0");
    assert!(world.outbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_result_is_dropped_and_never_tried_again() {
    for status in [400, 403, 404, 409, 410, 413, 422] {
        let (repo, sha) = Repo::with_script("true");
        let world = World::new().await;
        world.plane().refuse_complete = Some(status);
        let id = world.enqueue(&repo.url(), &sha);
        let agent = world.agent();
        agent
            .sees("the refusal", |event| {
                matches!(event, Event::Undeliverable { .. }).then_some(())
            })
            .await;
        world.result(&id).await;
        assert_eq!(agent.drain().await, Exit::Drained);
        assert_eq!(world.plane().completions.len(), 1, "{status}");
        assert!(world.outbox().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_asks_for_patience_gets_it() {
    let (repo, sha) = Repo::with_script("true");
    let world = World::new().await;
    world.plane().refuse_complete = Some(429);
    world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    world
        .until("a try", |plane| plane.completions.first().map(|_| ()))
        .await;
    let first = Instant::now();
    world
        .until("another", |plane| {
            (plane.completions.len() == 2).then_some(())
        })
        .await;
    assert!(
        first.elapsed() >= Duration::from_millis(900),
        "{:?}",
        first.elapsed()
    );
    world.plane().refuse_complete = None;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(world.outbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_may_be_restarted_while_a_job_runs() {
    let place = tempfile::tempdir().unwrap();
    let go = place.path().join("go");
    let (repo, sha) = Repo::with_script(&format!(
        "echo up; while ! test -e {}; do sleep 0.01; done",
        go.display()
    ));
    let mut world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the job", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world.server.abort();
    assert!((&mut world.server).await.unwrap_err().is_cancelled());
    // Connections that are open already outlive the server's listener.
    at(&world.plane).broken = Some(503);
    agent
        .sees("the outage", |event| {
            matches!(event, Event::Outage { .. }).then_some(())
        })
        .await;
    std::fs::write(&go, "").unwrap();
    agent
        .sees("the end", |event| {
            matches!(event, Event::JobEnded { cause: None, .. }).then_some(())
        })
        .await;
    let (_, server) = serve(world.plane.clone(), world.address).await;
    at(&world.plane).broken = None;
    let result = world.result(&id).await;
    assert!(ended(0, None)(&result), "{result:?}");
    assert_eq!(agent.drain().await, Exit::Drained);
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_before_the_control_plane_waits_for_it() {
    let world = World::new().await;
    world.plane().broken = Some(502);
    let agent = world.agent();
    agent
        .sees("the outage", |event| {
            matches!(event, Event::Outage { .. }).then_some(())
        })
        .await;
    world.plane().broken = None;
    agent
        .sees("the registration", |event| {
            matches!(event, Event::Registered { .. }).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_ends_the_agent_at_once() {
    for status in [400, 401, 403, 404, 409] {
        let world = World::new().await;
        world.plane().refuse_register = Some(status);
        let error = world.agent().fails().await;
        assert!(matches!(error, Error::Refused { .. }), "{status}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_known_any_more_is_replaced_and_its_job_abandoned() {
    let (repo, sha) = Repo::with_script("echo up; sleep 1000");
    let world = World::new().await;
    let id = world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the job", |event| {
            matches!(event, Event::LogLine { line, .. } if line == "up").then_some(())
        })
        .await;
    world.plane().refuse_heartbeat = Some(404);
    agent
        .sees("the end of the job", |event| {
            matches!(event, Event::JobAbandoned { .. }).then_some(())
        })
        .await;
    world.plane().refuse_heartbeat = None;
    world
        .until("a second session", |plane| {
            (plane.registered.len() == 2).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(
        world
            .plane()
            .completions
            .iter()
            .all(|(job, _, _)| *job != id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_deregistered_by_somebody_ends() {
    let world = World::new().await;
    world.plane().refuse_heartbeat = Some(409);
    let error = world.agent().fails().await;
    assert!(matches!(error, Error::Terminated), "{error}");
    assert!(world.plane().deregistered.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_start_is_refused_is_dropped() {
    let (repo, sha) = Repo::with_script("echo ran");
    let world = World::new().await;
    world.plane().refuse_start = Some(409);
    world.enqueue(&repo.url(), &sha);
    let agent = world.agent();
    agent
        .sees("the refusal", |event| {
            matches!(event, Event::JobAbandoned { .. }).then_some(())
        })
        .await;
    assert_eq!(agent.drain().await, Exit::Drained);
    assert!(world.plane().completions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directive_to_drain_ends_the_agent_after_its_job_and_a_pause_only_keeps_it_from_claiming()
{
    let place = tempfile::tempdir().unwrap();
    let go = place.path().join("go");
    let (repo, sha) = Repo::with_script(&format!(
        "while ! test -e {}; do sleep 0.01; done",
        go.display()
    ));
    let world = World::new().await;
    world.plane().directive = Directive::Pause;
    let agent = world.agent();
    world
        .until("a heartbeat", |plane| plane.heartbeats.first().map(|_| ()))
        .await;
    // A claim that was on its way when the directive came may still arrive.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let id = world.enqueue(&repo.url(), &sha);
    let claims = world.plane().claims;
    let beats = world.plane().heartbeats.len();
    world
        .until("more heartbeats", |plane| {
            (plane.heartbeats.len() > beats).then_some(())
        })
        .await;
    assert_eq!(
        world.plane().claims,
        claims,
        "a paused agent claims nothing"
    );
    world.plane().directive = Directive::Run;
    world
        .until("the start", |plane| plane.started.first().map(|_| ()))
        .await;
    world.plane().directive = Directive::Drain;
    agent
        .sees("the drain", |event| {
            matches!(event, Event::Draining { .. }).then_some(())
        })
        .await;
    std::fs::write(&go, "").unwrap();
    assert!(ended(0, None)(&world.result(&id).await));
    let exit = tokio::time::timeout(Duration::from_secs(30), agent.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(exit, Exit::Drained);
    assert_eq!(world.plane().deregistered.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_in_the_same_directories_is_refused() {
    let world = World::new().await;
    let agent = world.agent();
    agent
        .sees("the registration", |event| {
            matches!(event, Event::Registered { .. }).then_some(())
        })
        .await;
    let error = Agent::start(world.config()).fails().await;
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let _ = agent.drain().await;
}
