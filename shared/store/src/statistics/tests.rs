#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::*;
use crate::testing::{NOW, random, stores, tenant};
use crate::{ClaimOrder, ClaimWish, NewJob, Store, TenantScope, WriteId};
use domain::agent::{Agent, Event, Introduction};
use domain::job::{Holder, Job, JobEvent, JobSpec};
use wire::{AgentId, Directive, JobId, Priority};

fn pool(name: &str) -> PoolName {
    name.parse().unwrap()
}

fn queues() -> Vec<PoolQueues> {
    ["left", "right"]
        .map(|name| PoolQueues {
            pool_name: pool(name),
            ready_shards: 1,
        })
        .into()
}

/// Enqueues a job, has it wait 2 s and run 3 s, and ends it.
async fn end_one(store: &Store, scope: &TenantScope, name: &str, exit_code: i32, at: Timestamp) {
    let tenant = store.tenant(scope);
    let agent_id = AgentId::from_digest([7; 16]);
    let holder = Holder {
        agent_id: agent_id.clone(),
        epoch: 1,
    };
    let wish = ClaimWish {
        pool: &pool(name),
        ready_shards: 1,
        holder: &holder,
        max_jobs: 1,
        order: &ClaimOrder::default(),
    };
    enqueue(store, scope, name, at.plus_seconds(-5)).await;
    let job = tenant
        .claim_jobs(&wish, at.plus_seconds(-3), random)
        .await
        .unwrap()
        .jobs
        .remove(0);
    let start = JobEvent::Start {
        agent_id: agent_id.clone(),
        attempt: 1,
    };
    let complete = JobEvent::Complete {
        agent_id,
        attempt: 1,
        exit_code,
        duration_seconds: 3.0,
        cause: None,
        logs_url: None,
    };
    for (event, now) in [(start, at.plus_seconds(-3)), (complete, at)] {
        let write_id = WriteId::new(random());
        tenant
            .change_job("change", &job.job_id, &event, now, &write_id)
            .await
            .unwrap();
    }
}

async fn enqueue(store: &Store, scope: &TenantScope, name: &str, at: Timestamp) {
    let spec = JobSpec {
        job_type: "build".parse().unwrap(),
        pool_name: pool(name),
        git_repo: "https://example.com/a".parse().unwrap(),
        git_ref: None,
        git_commit_sha: "0123456789012345678901234567890123456789".parse().unwrap(),
        git_author: None,
        tags: wire::Tags::default(),
        spec_ref: None,
        spec_sha256: None,
        timeout_seconds: 60,
        max_attempts: 1,
    };
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&random());
    let job = Job::enqueue(
        JobId::new(at, bytes),
        spec,
        Priority::Normal,
        "test".to_owned(),
        at,
    );
    let new = NewJob {
        job,
        ready_shards: 1,
        request_sha256: None,
        origin: None,
    };
    store
        .tenant(scope)
        .enqueue_job(new, at, &WriteId::new(random()))
        .await
        .unwrap();
}

#[tokio::test]
async fn roll_ups_equal_a_recount_whenever_they_run() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let mut expected = (Counts::default(), Counts::default());
        let mut ended_since = 0;
        tenant.roll_up(NOW, &queues()).await.unwrap();
        // Jobs end over two hours; roll-ups run now and then, at times twice at once.
        for step in 0..24_i64 {
            let at = NOW.plus_seconds(step * 300);
            let exit_code = i32::from(step % 3 == 0);
            let name = if step % 2 == 0 { "left" } else { "right" };
            end_one(&store, &scope, name, exit_code, at).await;
            let counts = if step % 2 == 0 {
                &mut expected.0
            } else {
                &mut expected.1
            };
            if exit_code == 0 {
                counts.completed += 1;
            } else {
                counts.failed += 1;
            }
            if step % 5 == 0 {
                let (queues, now) = (queues(), at.plus_seconds(1));
                let both = futures_util::future::join(
                    tenant.roll_up(now, &queues),
                    tenant.roll_up(now, &queues),
                );
                let (first, second) = Box::pin(both).await;
                ended_since += first.unwrap().ended_since + second.unwrap().ended_since;
            }
        }
        let end = NOW.plus_seconds(24 * 300);
        let last = tenant.roll_up(end, &queues()).await.unwrap();
        let left = tenant.statistics(Some(&pool("left")), end).await.unwrap();
        let right = tenant.statistics(Some(&pool("right")), end).await.unwrap();
        let all = tenant.statistics(None, end).await.unwrap();
        assert_eq!((left.ended, right.ended), expected, "{engine}");
        assert_eq!((left.totals, right.totals), expected, "{engine}");
        let mut sum = expected.0;
        sum.add(expected.1);
        assert_eq!((all.ended, all.totals), (sum, sum), "{engine}");
        // What a roll-up gives is what it wrote; what ended in between, each job once.
        assert_eq!((&last.tenant, last.day.counts), (&all, sum), "{engine}");
        assert_eq!(last.pools[&pool("left")], left, "{engine}");
        assert_eq!(ended_since + last.ended_since, sum.total(), "{engine}");
        assert!((all.avg_execution_seconds - 3.0).abs() < 0.001, "{engine}");
        assert!((all.avg_wait_seconds - 2.0).abs() < 0.001, "{engine}");
        assert!((2.0..2.4).contains(&all.p95_wait_seconds), "{engine}");
        assert!((all.failure_rate - 8.0 / 24.0).abs() < 0.001, "{engine}");
        // A day later they have left the window, and stay in the totals.
        let later = end.plus_seconds(25 * 3600);
        tenant.roll_up(later, &queues()).await.unwrap();
        let all = tenant.statistics(None, later).await.unwrap();
        assert_eq!(
            (all.ended, all.totals),
            (Counts::default(), sum),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn what_waits_and_runs_is_counted_by_pool() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        for second in 0..3 {
            enqueue(&store, &scope, "left", NOW.plus_seconds(second)).await;
        }
        let now = NOW.plus_seconds(10);
        let holder = Holder {
            agent_id: AgentId::from_digest([7; 16]),
            epoch: 1,
        };
        let wish = ClaimWish {
            pool: &pool("left"),
            ready_shards: 1,
            holder: &holder,
            max_jobs: 1,
            order: &ClaimOrder::default(),
        };
        tenant.claim_jobs(&wish, now, random).await.unwrap();
        tenant.roll_up(now, &queues()).await.unwrap();
        let before = store.meter().snapshot()["get_statistics"];
        let left = tenant.statistics(Some(&pool("left")), now).await.unwrap();
        let read = store.meter().snapshot()["get_statistics"].read_units - before.read_units;
        assert!(read <= 0.5, "{engine}: {read} units");
        assert_eq!(
            (left.queued, left.claimed, left.running),
            (2, 1, 0),
            "{engine}"
        );
        assert!((left.oldest_wait_seconds - 9.0).abs() < 0.001, "{engine}");
        let all = tenant.statistics(None, now).await.unwrap();
        assert_eq!(
            (all.queued, all.claimed, all.as_of),
            (2, 1, now),
            "{engine}"
        );
        let right = tenant.statistics(Some(&pool("right")), now).await.unwrap();
        assert_eq!((right.queued, right.claimed), (0, 0), "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_in_line_has_not_run() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        end_one(&store, &scope, "left", 1, NOW).await;
        let failed = tenant
            .jobs(&crate::JobFilter::default(), 1, None)
            .await
            .unwrap();
        let id = &failed.jobs[0].job_id;
        // An hour after its only attempt it is retried by hand, and cancelled before anybody claims it.
        let later = NOW.plus_seconds(3_600);
        for event in [JobEvent::Retry, JobEvent::Cancel] {
            let write_id = WriteId::new(random());
            tenant
                .change_job("change", id, &event, later, &write_id)
                .await
                .unwrap();
        }
        tenant.roll_up(later, &queues()).await.unwrap();
        let all = tenant.statistics(None, later).await.unwrap();
        assert_eq!((all.ended.cancelled, all.ended.failed), (1, 0), "{engine}");
        assert!(all.avg_execution_seconds.abs() < f64::EPSILON, "{engine}");
    }
}

#[tokio::test]
async fn a_pool_has_open_jobs_wherever_they_wait() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        assert!(
            !tenant.has_open_jobs(&pool("left")).await.unwrap(),
            "{engine}"
        );
        enqueue(&store, &scope, "left", NOW).await;
        assert!(
            tenant.has_open_jobs(&pool("left")).await.unwrap(),
            "{engine}: in line"
        );
        assert!(
            !tenant.has_open_jobs(&pool("right")).await.unwrap(),
            "{engine}"
        );
        let holder = Holder {
            agent_id: AgentId::from_digest([7; 16]),
            epoch: 1,
        };
        let wish = ClaimWish {
            pool: &pool("left"),
            ready_shards: 1,
            holder: &holder,
            max_jobs: 1,
            order: &ClaimOrder::default(),
        };
        tenant.claim_jobs(&wish, NOW, random).await.unwrap();
        assert!(
            tenant.has_open_jobs(&pool("left")).await.unwrap(),
            "{engine}: claimed"
        );
    }
}

#[tokio::test]
async fn agents_are_counted_as_a_recount_would_by_every_roll_up() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        let write_id = || WriteId::new(random());
        for number in 0..12_u8 {
            let introduction = Introduction {
                // Nobody made the third pool, or somebody has deleted it.
                pool_name: pool(["left", "right", "gone"][usize::from(number % 3)]),
                version: "1.0.0".parse().unwrap(),
                hostname: None,
                os: None,
                arch: None,
                tags: wire::Tags::default(),
                max_concurrent_jobs: 1,
            };
            let id = AgentId::from_digest([number; 16]);
            let agent = Agent::register(id.clone(), introduction, NOW);
            tenant.add_agent(&agent, &write_id()).await.unwrap();
            let change = match number % 4 {
                1 => Event::SetDirective(Directive::Drain),
                2 => Event::SetDirective(Directive::Pause),
                3 => Event::Deregister,
                _ => continue,
            };
            tenant
                .change_agent("change", &id, &change, NOW, &write_id())
                .await
                .unwrap();
        }
        // Nobody hears of them any more, and they are found to be lost one after the other.
        for step in 0..12_u8 {
            let now = NOW.plus_seconds(30 + i64::from(step));
            let id = AgentId::from_digest([step; 16]);
            tenant.sweep_agent(&id, now, &write_id()).await.unwrap();
            let rolled = tenant.roll_up(now, &queues()).await.unwrap();
            assert_eq!(rolled.agents.len(), 9, "{engine}");
            for name in [None, Some(pool("left")), Some(pool("right"))] {
                let known = tenant.known_agents(name.as_ref(), now).await.unwrap();
                let expected = known.iter().map(|agent| agent.standing).collect();
                let statistics = tenant.statistics(name.as_ref(), now).await.unwrap();
                assert_eq!(statistics.agents, expected, "{engine}: {name:?}");
            }
        }
        let all = tenant.statistics(None, NOW).await.unwrap().agents;
        assert_eq!((all.offline, all.total()), (9, 9), "{engine}");
    }
}

#[tokio::test]
async fn a_roll_up_from_before_agents_were_counted_is_read_and_goes_on() {
    let scope = tenant("acme");
    for (engine, store) in stores().await {
        let tenant = store.tenant(&scope);
        end_one(&store, &scope, "left", 0, NOW).await;
        tenant.roll_up(NOW, &queues()).await.unwrap();
        store
            .client
            .update_item()
            .table_name(store.tables.name(TableKind::Jobs))
            .set_key(Some(key(scope.statistics(ALL_POOLS), STATISTICS)))
            .update_expression("REMOVE agents")
            .send()
            .await
            .unwrap();
        let old = tenant.statistics(None, NOW).await.unwrap();
        assert_eq!(old.agents, AgentCounts::default(), "{engine}");
        assert_eq!(old.ended.completed, 1, "{engine}");
        tenant.roll_up(NOW, &queues()).await.unwrap();
        let new = tenant.statistics(None, NOW).await.unwrap();
        assert_eq!(new, old, "{engine}");
    }
}
