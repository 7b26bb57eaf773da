//! What becomes of an event, by its rule.

use super::world::{COMMIT, World, build, event_id, ignore, notify};
use crate::{Handled, Postponement, Verdict};
use domain::limits::Limits;
use embedded_dynamodb::Fault;
use serde_json::{Value, json};
use wire::{DecisionKind, EventOutcome, JobStatus, Priority};

#[tokio::test(start_paused = true)]
async fn a_push_becomes_a_job_for_its_commit() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    let then = json!({"action": "ENQUEUE_JOB", "job_type": "build", "pool_name": "linux", "priority": "HIGH"});
    world
        .rules(&relay, json!([{"when": {"tag": "*"}, "then": {"action": "IGNORE"}}, {"when": {"branch": "main"}, "then": then}]))
        .await;
    world.put(&relay, &relay.push(1)).await;
    let report = world.orchestrator().poll_once().await;
    assert_eq!((report.polled, report.failed, report.errors), (1, 0, 0));
    assert_eq!(
        (report.messages.enqueued, report.messages.messages()),
        (1, 1)
    );
    let jobs = world.jobs(&acme).await;
    let [job] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    assert_eq!(job.status(), JobStatus::Queued);
    assert_eq!(job.priority, Priority::High);
    assert_eq!(job.spec.job_type.as_str(), "build");
    assert_eq!(job.spec.pool_name.as_str(), "linux");
    assert_eq!(job.spec.git_repo.as_str(), "https://git.example.com/shop");
    assert_eq!(job.spec.git_commit_sha.as_str(), COMMIT);
    assert_eq!(job.spec.git_ref.as_ref().unwrap().as_str(), "main");
    assert_eq!(job.spec.git_author.as_ref().unwrap().as_str(), "octocat");
    assert_eq!(job.created_by, format!("relay:{}", relay.relay.relay_id));
    let event = world.event(&relay, &event_id(1)).await.unwrap();
    assert_eq!(
        (
            event.outcome,
            event.rule,
            event.routing_version,
            event.is_done
        ),
        (EventOutcome::Enqueued, Some(1), 1, true)
    );
    assert_eq!(event.job_id.as_ref(), Some(&job.job_id));
    assert_eq!(event.sequence, 2);
    assert_eq!(world.left(&relay).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_has_no_branch_that_its_commit_is_on() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    let then = json!({"action": "ENQUEUE_JOB", "job_type": "test", "pool_name": "default"});
    world
        .rules(&relay, json!([{"when": {}, "then": then}]))
        .await;
    let event = relay.event(
        1,
        &json!({"event": "PULL_REQUEST", "action": "opened", "number": 7}),
    );
    world.put(&relay, &relay.message(&event)).await;
    let tagged = relay.event(2, &json!({"event": "TAG", "branch": null, "tag": "v1.2"}));
    world.put(&relay, &relay.message(&tagged)).await;
    world.orchestrator().poll_once().await;
    let jobs = world.jobs(&acme).await;
    let mut refs: Vec<_> = jobs
        .iter()
        .map(|job| job.spec.git_ref.as_ref().map(ToString::to_string))
        .collect();
    refs.sort();
    assert_eq!(refs, [None, Some("v1.2".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_names_the_event_and_the_rule_and_nothing_of_the_event() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    let decide =
        json!({"when": {"branch": "release/*"}, "then": {"action": "DECIDE", "target": "deploy"}});
    let tell =
        json!({"when": {"branch": "main"}, "then": {"action": "NOTIFY", "target": "releases"}});
    world.rules(&relay, json!([decide, tell])).await;
    world.put(&relay, &relay.push(1)).await;
    let released = relay.event(2, &json!({"branch": "release/1"}));
    world.put(&relay, &relay.message(&released)).await;
    let report = world.orchestrator().poll_once().await;
    assert_eq!((report.messages.notified, report.messages.decided), (1, 1));
    let mut decisions = world.decisions(&relay).await;
    decisions.sort_by_key(|decision| decision.rule);
    let said: Vec<_> = decisions
        .iter()
        .map(|one| {
            (
                one.kind,
                one.target.as_str(),
                &one.event_id,
                one.rule,
                one.routing_version,
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            (DecisionKind::Decide, "deploy", &event_id(2), 0, 1),
            (DecisionKind::Notify, "releases", &event_id(1), 1, 1)
        ]
    );
    let text = serde_json::to_string(&decisions).unwrap();
    for of_the_event in ["main", "octocat", "shop", COMMIT] {
        assert!(!text.contains(of_the_event), "{text}");
    }
    assert_eq!(world.jobs(&acme).await, []);
}

/// What becomes of one event under these rules.
async fn outcome(rules: Option<Value>, more: &Value) -> (EventOutcome, Option<String>) {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let queues = (super::world::local("in"), None);
    let relay = world.relay_with(&acme, "eu", queues, None).await;
    if let Some(rules) = rules {
        world.rules(&relay, rules).await;
    }
    world
        .put(&relay, &relay.message(&relay.event(1, more)))
        .await;
    world.orchestrator().poll_once().await;
    assert_eq!(world.left(&relay).await, 0);
    assert_eq!(world.jobs(&acme).await, [], "{more}");
    let event = world.event(&relay, &event_id(1)).await.unwrap();
    assert!(event.is_done);
    (event.outcome, event.reason)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_acted_on_is_recorded_with_the_reason_and_does_not_come_back() {
    let refused = |reason: &str| (EventOutcome::Refused, Some(reason.to_owned()));
    let none = json!({});
    assert_eq!(outcome(None, &none).await, (EventOutcome::Unmatched, None));
    assert_eq!(
        outcome(Some(ignore()), &none).await,
        (EventOutcome::Ignored, None)
    );
    assert_eq!(
        outcome(Some(notify()), &none).await,
        refused("no_decision_queue")
    );
    for without in [json!({"git_repo": null}), json!({"commit_sha": null})] {
        assert_eq!(outcome(Some(build()), &without).await, refused("no_commit"));
    }
    let at = |seconds| json!({"received_at": super::world::NOW.plus_seconds(seconds)});
    let six_days = 6 * 24 * 3600;
    for (seconds, reason) in [(-six_days - 1, "stale"), (601, "from_the_future")] {
        let late = at(seconds);
        assert_eq!(
            outcome(Some(build()), &late).await,
            refused(reason),
            "{late}"
        );
    }
    for seconds in [-six_days, 600] {
        let good = outcome(Some(ignore()), &at(seconds)).await;
        assert_eq!(good, (EventOutcome::Ignored, None));
    }
}

#[tokio::test(start_paused = true)]
async fn new_rules_are_applied_within_half_a_minute() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, ignore()).await;
    let orchestrator = world.orchestrator();
    let mut outcomes = Vec::new();
    for number in 1..=3 {
        world.put(&relay, &relay.push(number)).await;
        orchestrator.poll_once().await;
        outcomes.push(
            world
                .event(&relay, &event_id(number))
                .await
                .unwrap()
                .outcome,
        );
        if number == 1 {
            world.rules(&relay, build()).await;
        } else {
            world.advance(30).await;
        }
    }
    let (ignored, enqueued) = (EventOutcome::Ignored, EventOutcome::Enqueued);
    assert_eq!(outcomes, [ignored, ignored, enqueued]);
}

#[tokio::test(start_paused = true)]
async fn an_organisation_with_too_many_jobs_in_line_gets_no_more_until_there_is_room() {
    let world = World::new().await;
    let acme = world.tenant("acme").await;
    let relay = world.relay(&acme, "eu").await;
    world.rules(&relay, build()).await;
    let mut parts = world.parts(|_| Fault::None);
    parts.limits = Limits {
        queued_jobs: 2,
        ..Limits::default()
    };
    let orchestrator = crate::Orchestrator::new(parts);
    for number in 1..=3 {
        world.put(&relay, &relay.push(number)).await;
    }
    let report = orchestrator.poll_once().await;
    assert_eq!(
        (report.messages.enqueued, report.messages.postponed),
        (2, 1)
    );
    let full = Verdict::Postponed(Postponement::TooManyJobs);
    assert_eq!(Postponement::TooManyJobs.code(), "too_many_jobs");
    assert_ne!(
        full,
        Verdict::Done(Handled {
            outcome: EventOutcome::Enqueued,
            is_new: true
        })
    );
    assert_eq!(world.left(&relay).await, 1);
    // Nobody has rolled up statistics, so the line counts as empty when it is looked at again.
    world.advance(31).await;
    assert_eq!(orchestrator.poll_once().await.messages.enqueued, 1);
    assert_eq!(world.jobs(&acme).await.len(), 3);
    assert_eq!(world.left(&relay).await, 0);
}
