//! Agents: what they are fit for as time passes, and the lease that covers what they hold.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use domain::agent::{
    Agent, Event, Introduction, Metrics, Session, Transition, TransitionError, transition,
};
use domain::timing::{LEASE_SECONDS, RECLAIM_SECONDS, SWEEP_AGAIN_SECONDS};
use proptest::prelude::*;
use wire::{AgentId, AgentStatus, Directive, Tags, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn metrics(cpu_percent: f64, disk_percent: f64) -> Metrics {
    Metrics {
        cpu_percent,
        memory_percent: 10.0,
        disk_percent,
        uptime_seconds: 5,
    }
}

fn well() -> Event {
    Event::Heartbeat(metrics(10.0, 10.0))
}

fn agent() -> Agent {
    let introduction = Introduction {
        pool_name: "linux".parse().unwrap(),
        version: "1.0".parse().unwrap(),
        hostname: None,
        os: None,
        arch: None,
        tags: Tags::new(),
        max_concurrent_jobs: 2,
    };
    Agent::register(AgentId::from_digest([1; 16]), introduction, NOW)
}

fn after(agent: &Agent, event: &Event, now: Timestamp) -> Agent {
    match transition(agent, event, now).unwrap() {
        Transition::Apply(change) => change.after().clone(),
        Transition::AlreadyDone => agent.clone(),
    }
}

#[test]
fn status_is_computed_from_what_was_heard_and_asked() {
    let fresh = agent();
    assert_eq!(fresh.status(NOW), AgentStatus::Healthy);
    let end = NOW.plus_seconds(LEASE_SECONDS);
    assert_eq!(fresh.status(end.plus_millis(-1)), AgentStatus::Healthy);
    assert_eq!(fresh.status(end), AgentStatus::Offline);
    for (cpu, disk, status) in [
        (90.0, 95.0, AgentStatus::Healthy),
        (90.1, 0.0, AgentStatus::Degraded),
        (0.0, 95.1, AgentStatus::Degraded),
    ] {
        let heard = after(&fresh, &Event::Heartbeat(metrics(cpu, disk)), NOW);
        assert_eq!(heard.status(NOW), status, "{cpu} {disk}");
        assert!(heard.accepts_work(NOW));
    }
    for (directive, status) in [
        (Directive::Drain, AgentStatus::Draining),
        (Directive::Pause, AgentStatus::Paused),
    ] {
        let asked = after(&fresh, &Event::SetDirective(directive), NOW);
        assert_eq!(asked.status(NOW), status);
        assert!(!asked.accepts_work(NOW));
        assert_eq!(asked.status(end), AgentStatus::Offline);
        let back = after(&asked, &Event::SetDirective(Directive::Run), NOW);
        assert_eq!(back.status(NOW), AgentStatus::Healthy);
    }
}

#[test]
fn a_deregistered_agent_takes_nothing_but_a_repeat() {
    let gone = after(&agent(), &Event::Deregister, NOW);
    assert_eq!((gone.status(NOW), gone.epoch), (AgentStatus::Terminated, 2));
    assert_eq!(
        transition(&gone, &well(), NOW),
        Err(TransitionError::Terminated)
    );
    let drain = Event::SetDirective(Directive::Drain);
    assert_eq!(
        transition(&gone, &drain, NOW),
        Err(TransitionError::Terminated)
    );
    assert_eq!(
        transition(&gone, &Event::Deregister, NOW),
        Ok(Transition::AlreadyDone)
    );
}

#[test]
fn a_lost_agent_is_swept_for_five_minutes_and_then_left_alone() {
    let end = NOW.plus_seconds(LEASE_SECONDS);
    let mut lost = after(&agent(), &Event::Sweep, end);
    assert_eq!((lost.session, lost.epoch), (Session::Lost { at: end }, 2));
    let mut looks = 0;
    while let Some(look_at) = lost.look_at {
        assert!(lost.reclaim_until.is_some());
        lost = after(&lost, &Event::Sweep, look_at);
        looks += 1;
    }
    assert_eq!(looks, RECLAIM_SECONDS / SWEEP_AGAIN_SECONDS);
    assert_eq!((lost.epoch, lost.reclaim_until), (2, None));
}

#[test]
fn a_heartbeat_revives_a_lost_agent_under_the_new_epoch() {
    let end = NOW.plus_seconds(LEASE_SECONDS);
    let lost = after(&agent(), &Event::Sweep, end);
    assert!(!lost.accepts_work(end));
    let revived = after(&lost, &well(), end);
    assert_eq!((revived.session, revived.epoch), (Session::Live, 2));
    assert!(revived.accepts_work(end));
    assert_eq!(
        revived.reclaim_until, lost.reclaim_until,
        "its old jobs are still looked for"
    );
}

#[test]
fn every_other_heartbeat_moves_the_entry() {
    let mut agent = agent();
    let mut moved = 0;
    for beat in 1..=10 {
        let now = NOW.plus_seconds(beat * 10);
        let heard = after(&agent, &well(), now);
        assert!(heard.look_at.unwrap() > now);
        moved += u32::from(heard.look_at != agent.look_at);
        agent = heard;
    }
    assert_eq!(moved, 5);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0.0..100.0).prop_map(|cpu| Event::Heartbeat(metrics(cpu, 0.0))),
        4 => Just(Event::Sweep),
        1 => Just(Event::SetDirective(Directive::Drain)),
        1 => Just(Event::SetDirective(Directive::Run)),
        1 => Just(Event::Deregister),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_lease_is_looked_at_when_it_ends(
        steps in prop::collection::vec((any_event(), 0..40_i64), 0..60),
    ) {
        let mut agent = agent();
        let mut now = NOW;
        for (event, seconds) in steps {
            now = now.plus_seconds(seconds);
            let Ok(Transition::Apply(change)) = transition(&agent, &event, now) else { continue };
            let next = change.after().clone();
            if matches!(agent.session, Session::Ended { .. }) {
                prop_assert_eq!(event, Event::Sweep, "the end absorbs everything");
            }
            prop_assert!(next.epoch >= agent.epoch);
            prop_assert_eq!(next.revision, agent.revision + 1);
            if next.epoch > agent.epoch {
                prop_assert!(next.reclaim_until.is_some(), "what it held is looked for");
                prop_assert!(event == Event::Deregister || now >= agent.lease_ends_at());
            }
            if next.session == Session::Live {
                let look_at = next.look_at.unwrap();
                prop_assert!(look_at <= next.lease_ends_at(), "looked at too late");
            }
            if next.reclaim_until.is_some() {
                prop_assert!(next.look_at.is_some());
            }
            agent = next;
        }
    }
}
