#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use crate::testing::{NOW, random, stores, tenant};
use domain::agent::{AgentCounts, Introduction, Metrics};
use wire::{AgentStatus, Directive, Tags};

fn agent(number: u8, at: Timestamp) -> Agent {
    let introduction = Introduction {
        pool_name: "linux".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        hostname: None,
        os: Some("linux".parse().unwrap()),
        arch: None,
        tags: Tags::default(),
        max_concurrent_jobs: 2,
    };
    Agent::register(AgentId::from_digest([number; 16]), introduction, at)
}

fn heartbeat() -> Event {
    Event::Heartbeat(Metrics {
        cpu_percent: 1.0,
        memory_percent: 2.0,
        disk_percent: 3.0,
        uptime_seconds: 4,
    })
}

fn write_id() -> WriteId {
    WriteId::new(random())
}

#[tokio::test]
async fn a_heartbeat_writes_one_unit_and_every_other_one_three() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let agent = agent(1, NOW);
        tenant.add_agent(&agent, &write_id()).await.unwrap();
        let mut units = Vec::new();
        for beat in 1..=6 {
            let before = store.meter().total().write_units;
            let now = NOW.plus_seconds(beat * 10);
            let outcome = tenant
                .change_agent("heartbeat", &agent.agent_id, &heartbeat(), now, &write_id())
                .await
                .unwrap();
            let AgentOutcome::Changed(agent) = outcome else {
                panic!("{engine}: {outcome:?}")
            };
            assert_eq!(agent.status(now), AgentStatus::Healthy);
            units.push(store.meter().total().write_units - before);
        }
        assert_eq!(units, [1.0, 3.0, 1.0, 3.0, 1.0, 3.0], "{engine}");
        // While heartbeats come, nothing of it is ever due.
        for shard in 0..crate::keys::DEADLINE_SHARDS {
            let due = store
                .due_agents(shard, NOW.plus_seconds(60), 10)
                .await
                .unwrap();
            assert!(due.is_empty(), "{engine}");
        }
    }
}

#[tokio::test]
async fn a_silent_agent_is_lost_once_and_revived_by_a_heartbeat() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let agent = agent(1, NOW);
        let id = &agent.agent_id;
        tenant.add_agent(&agent, &write_id()).await.unwrap();
        let early = tenant
            .sweep_agent(id, NOW.plus_seconds(29), &write_id())
            .await
            .unwrap();
        assert!(matches!(early, SweptAgent::Alive), "{engine}");
        let now = NOW.plus_seconds(30);
        let SweptAgent::Reclaim { agent, newly_lost } =
            tenant.sweep_agent(id, now, &write_id()).await.unwrap()
        else {
            panic!("{engine}: not lost")
        };
        assert_eq!((agent.epoch, newly_lost), (2, true), "{engine}");
        assert!(!agent.accepts_work(now), "{engine}");
        let again = tenant.sweep_agent(id, now, &write_id()).await.unwrap();
        assert!(
            matches!(again, SweptAgent::Alive),
            "{engine}: nothing is due so soon"
        );
        let later = NOW.plus_seconds(41);
        let again = tenant.sweep_agent(id, later, &write_id()).await.unwrap();
        assert!(
            matches!(
                again,
                SweptAgent::Reclaim {
                    newly_lost: false,
                    ..
                }
            ),
            "{engine}"
        );
        tenant
            .change_agent("heartbeat", id, &heartbeat(), later, &write_id())
            .await
            .unwrap();
        let revived = tenant.agent(id).await.unwrap().unwrap();
        assert!(revived.accepts_work(later), "{engine}");
        assert_eq!(revived.epoch, 2, "{engine}: what it held before stays lost");
        assert_eq!(tenant.live_agents(None).await.unwrap().len(), 1, "{engine}");
    }
}

#[tokio::test]
async fn a_heartbeat_that_slips_in_before_the_sweep_wins() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let agent = agent(1, NOW);
        let id = &agent.agent_id;
        tenant.add_agent(&agent, &write_id()).await.unwrap();
        let now = NOW.plus_seconds(31);
        let Ok(Transition::Apply(loss)) = transition(&agent, &Event::Sweep, now) else {
            panic!("not lost")
        };
        tenant
            .change_agent("heartbeat", id, &heartbeat(), now, &write_id())
            .await
            .unwrap();
        let outcome = tenant
            .apply_agent("sweep_agent", &loss, &write_id())
            .await
            .unwrap();
        assert!(matches!(outcome, Outcome::Stale(_)), "{engine}");
        let swept = tenant.sweep_agent(id, now, &write_id()).await.unwrap();
        assert!(matches!(swept, SweptAgent::Alive), "{engine}");
    }
}

#[tokio::test]
async fn agents_are_listed_with_those_that_are_gone_last() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        for number in 1..=5 {
            let at = NOW.plus_seconds(i64::from(number));
            tenant
                .add_agent(&agent(number, at), &write_id())
                .await
                .unwrap();
        }
        let gone = AgentId::from_digest([4; 16]);
        let now = NOW.plus_seconds(10);
        tenant
            .change_agent("deregister", &gone, &Event::Deregister, now, &write_id())
            .await
            .unwrap();
        let refused = tenant
            .change_agent("heartbeat", &gone, &heartbeat(), now, &write_id())
            .await
            .unwrap();
        assert!(
            matches!(refused, AgentOutcome::Refused(TransitionError::Terminated)),
            "{engine}"
        );
        let mut listed = Vec::new();
        let mut position = None;
        loop {
            let filter = AgentFilter::default();
            let page = tenant
                .agents(&filter, 2, position.as_ref(), now)
                .await
                .unwrap();
            listed.extend(page.agents.into_iter().map(|agent| agent.agent_id));
            position = page.next;
            if position.is_none() {
                break;
            }
        }
        let expected = [5, 3, 2, 1, 4].map(|number| AgentId::from_digest([number; 16]));
        assert_eq!(listed, expected, "{engine}");
        let filter = AgentFilter {
            statuses: vec![AgentStatus::Terminated],
            ..AgentFilter::default()
        };
        let page = tenant.agents(&filter, 10, None, now).await.unwrap();
        assert_eq!(page.agents.len(), 1, "{engine}");
    }
}

#[tokio::test]
async fn a_loss_that_nobody_followed_up_is_followed_up_however_late() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let agent = agent(1, NOW);
        let id = &agent.agent_id;
        tenant.add_agent(&agent, &write_id()).await.unwrap();
        tenant
            .sweep_agent(id, NOW.plus_seconds(30), &write_id())
            .await
            .unwrap();
        // Whoever declared it lost died before its jobs were given back, and nobody swept for an hour.
        let late = NOW.plus_seconds(3_600);
        tenant
            .change_agent("heartbeat", id, &heartbeat(), late, &write_id())
            .await
            .unwrap();
        let swept = tenant.sweep_agent(id, late, &write_id()).await.unwrap();
        let SweptAgent::Reclaim { agent, newly_lost } = swept else {
            panic!("{engine}: its jobs are forgotten")
        };
        assert_eq!((agent.epoch, newly_lost), (2, false), "{engine}");
        // Once it has been looked after for long enough it is an agent like any other.
        let mut now = late;
        while tenant
            .agent(id)
            .await
            .unwrap()
            .unwrap()
            .reclaim_until
            .is_some()
        {
            now = now.plus_seconds(10);
            assert!(
                now < late.plus_seconds(400),
                "{engine}: it is looked for for ever"
            );
            tenant
                .change_agent("heartbeat", id, &heartbeat(), now, &write_id())
                .await
                .unwrap();
            tenant.sweep_agent(id, now, &write_id()).await.unwrap();
        }
        assert!(
            tenant.agent(id).await.unwrap().unwrap().accepts_work(now),
            "{engine}"
        );
    }
}

/// All agents of a list, read in pages.
async fn listed(
    tenant: &TenantStore<'_>,
    filter: &AgentFilter,
    limit: usize,
    now: Timestamp,
) -> Vec<AgentId> {
    let mut listed = Vec::new();
    let mut position = None;
    loop {
        let page = tenant
            .agents(filter, limit, position.as_ref(), now)
            .await
            .unwrap();
        assert!(page.agents.len() <= limit);
        listed.extend(page.agents.into_iter().map(|agent| agent.agent_id));
        position = page.next;
        if position.is_none() {
            return listed;
        }
    }
}

#[tokio::test]
async fn lost_and_deregistered_agents_are_listed_as_one() {
    let scope = tenant("acme");
    let lost_at = NOW.plus_seconds(60);
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let (mut gone, mut lost) = (Vec::new(), Vec::new());
        // More of either kind than one read of the index gives.
        for number in 0..240_u8 {
            let at = NOW.plus_millis(i64::from(number));
            let agent = agent(number, at);
            let id = agent.agent_id.clone();
            tenant.add_agent(&agent, &write_id()).await.unwrap();
            if number % 2 == 0 {
                let swept = tenant.sweep_agent(&id, lost_at, &write_id()).await;
                assert!(matches!(swept.unwrap(), SweptAgent::Reclaim { .. }));
                lost.insert(0, id.clone());
            } else {
                let left = Event::Deregister;
                tenant
                    .change_agent("deregister", &id, &left, lost_at, &write_id())
                    .await
                    .unwrap();
            }
            gone.insert(0, id);
        }
        let live = agent(250, lost_at);
        tenant.add_agent(&live, &write_id()).await.unwrap();
        let mut all = gone.clone();
        all.insert(0, live.agent_id.clone());
        let offline = AgentFilter {
            statuses: vec![AgentStatus::Offline],
            ..AgentFilter::default()
        };
        let everything = AgentFilter::default();
        for limit in [7, 100] {
            assert_eq!(
                listed(&tenant, &everything, limit, lost_at).await,
                all,
                "{engine}"
            );
            assert_eq!(
                listed(&tenant, &offline, limit, lost_at).await,
                lost,
                "{engine}"
            );
        }
        // A day later those that are gone are forgotten, whether the database has deleted them or not.
        let later = lost_at.plus_seconds(24 * 3600);
        assert_eq!(
            listed(&tenant, &everything, 100, later).await,
            vec![live.agent_id.clone()],
            "{engine}"
        );
    }
}

#[tokio::test]
async fn agents_are_counted_by_what_they_are_fit_for_until_they_deregister() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let late = NOW.plus_seconds(20);
        for number in 0..7 {
            tenant
                .add_agent(&agent(number, late), &write_id())
                .await
                .unwrap();
        }
        let busy = Event::Heartbeat(Metrics {
            cpu_percent: 99.0,
            memory_percent: 1.0,
            disk_percent: 1.0,
            uptime_seconds: 1,
        });
        for (number, event) in [
            (1, busy),
            (2, Event::SetDirective(Directive::Drain)),
            (3, Event::SetDirective(Directive::Pause)),
            (4, Event::Deregister),
        ] {
            let id = AgentId::from_digest([number; 16]);
            tenant
                .change_agent("change", &id, &event, late, &write_id())
                .await
                .unwrap();
        }
        let counts = async |now: Timestamp| {
            let known = tenant.known_agents(None, now).await.unwrap();
            known
                .into_iter()
                .map(|agent| agent.standing)
                .collect::<AgentCounts>()
        };
        let mut expected = AgentCounts {
            healthy: 3,
            degraded: 1,
            draining: 1,
            paused: 1,
            offline: 0,
        };
        let now = late.plus_seconds(30);
        assert_eq!(counts(now).await, expected, "{engine}: nobody has swept");
        for number in [2, 5, 6] {
            let id = AgentId::from_digest([number; 16]);
            tenant.sweep_agent(&id, now, &write_id()).await.unwrap();
        }
        (expected.healthy, expected.draining, expected.offline) = (1, 0, 3);
        assert_eq!(counts(now).await, expected, "{engine}");
        assert_eq!(tenant.live_agents(None).await.unwrap().len(), 3, "{engine}");
        // One comes back, the other leaves for good.
        let (back, left) = (AgentId::from_digest([5; 16]), AgentId::from_digest([6; 16]));
        for (id, event) in [(back, heartbeat()), (left, Event::Deregister)] {
            tenant
                .change_agent("change", &id, &event, now, &write_id())
                .await
                .unwrap();
        }
        (expected.healthy, expected.offline) = (2, 1);
        assert_eq!(counts(now).await, expected, "{engine}");
        assert_eq!(expected.total(), 5);
        let elsewhere = "other".parse().unwrap();
        let known = tenant.known_agents(Some(&elsewhere), now).await.unwrap();
        assert_eq!(known, [], "{engine}");
        expected.offline = 0;
        let later = now.plus_seconds(24 * 3600);
        assert_eq!(counts(later).await, expected, "{engine}: kept for a day");
    }
}

#[tokio::test]
async fn what_may_come_to_no_write_is_decided_on_the_agent_as_it_is() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let agent = agent(1, NOW);
        tenant.add_agent(&agent, &write_id()).await.unwrap();
        let asked = Event::SetDirective(Directive::Run);
        let outcome = tenant
            .change_agent("direct", &agent.agent_id, &asked, NOW, &write_id())
            .await
            .unwrap();
        assert!(
            matches!(outcome, AgentOutcome::AlreadyDone(_)),
            "{engine}: {outcome:?}"
        );
        // An eventually consistent read is half a unit, and may show a directive that was taken back since.
        let read = store.meter().snapshot()["get_agent"].read_units;
        assert!((read - 1.0).abs() < f64::EPSILON, "{engine}: {read}");
    }
}
