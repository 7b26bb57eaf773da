//! The state machine of deployments: every state against every event, and what holds whatever happens.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use domain::deployment::{
    Deployment, DeploymentSpec, Event, PlanOutcome, Service, Transition, TransitionError, diagram,
    promote, roll_back, transition,
};
use proptest::prelude::*;
use std::fmt::Write;
use wire::{DeploymentId, DeploymentStatus, JobId, ServiceVersion, ShortText, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn version(number: u8) -> ServiceVersion {
    ServiceVersion::parse(&format!("1.{number}")).unwrap()
}

fn reason() -> ShortText {
    ShortText::parse("it is broken").unwrap()
}

fn job(number: u8) -> JobId {
    JobId::from_digest([number; 16])
}

fn new_deployment(number: u8) -> Deployment {
    let spec = DeploymentSpec {
        service_name: "shop".parse().unwrap(),
        service_version: version(number),
        git_commit_sha: "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3".parse().unwrap(),
        git_author: None,
        build_job_id: None,
        test_job_id: None,
    };
    Deployment::create(
        DeploymentId::from_digest([number; 16]),
        spec,
        "test".to_owned(),
        NOW,
    )
}

fn after(deployment: &Deployment, event: &Event) -> Deployment {
    match transition(deployment, event, "test", NOW).unwrap() {
        Transition::Apply(change) => change.into_after(),
        Transition::AlreadyDone => deployment.clone(),
    }
}

fn states() -> Vec<(&'static str, Deployment)> {
    let [stage, promote, supersede, roll_back, fail] =
        [0, 2, 4, 5, 8].map(|at| events()[at].1.clone());
    let pending = new_deployment(2);
    let staged = after(&pending, &stage);
    let live = after(&staged, &promote);
    vec![
        ("PENDING", pending.clone()),
        ("STAGED", staged.clone()),
        ("LIVE", live.clone()),
        ("SUPERSEDED", after(&live, &supersede)),
        ("ROLLED_BACK", after(&live, &roll_back)),
        ("FAILED before staging", after(&pending, &fail)),
        ("FAILED after staging", after(&staged, &fail)),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("stage", Event::Stage { job_id: job(1) }),
        ("stage, another job", Event::Stage { job_id: job(9) }),
        ("promote", Event::Promote { job_id: job(2) }),
        ("promote, another job", Event::Promote { job_id: job(9) }),
        (
            "supersede",
            Event::Supersede {
                by_version: version(3),
            },
        ),
        (
            "roll back",
            Event::RollBack {
                to_version: version(1),
                reason: reason(),
            },
        ),
        (
            "roll back, another version",
            Event::RollBack {
                to_version: version(9),
                reason: reason(),
            },
        ),
        (
            "restore",
            Event::Restore {
                from_version: version(3),
                reason: reason(),
            },
        ),
        ("fail", Event::Fail { reason: reason() }),
    ]
}

fn outcome(deployment: &Deployment, event: &Event) -> String {
    match transition(deployment, event, "test", NOW) {
        Ok(Transition::Apply(change)) => change.after().status().to_string(),
        Ok(Transition::AlreadyDone) => "already done".to_owned(),
        Err(TransitionError::Illegal(_)) => "- illegal".to_owned(),
        Err(TransitionError::NotStaged) => "- not staged".to_owned(),
        Err(TransitionError::NeverLive) => "- never live".to_owned(),
    }
}

#[test]
fn every_state_against_every_event() {
    let mut table = String::new();
    for (state, deployment) in states() {
        writeln!(table, "{state}").unwrap();
        for (name, event) in events() {
            writeln!(table, "    {name:<28} {}", outcome(&deployment, &event)).unwrap();
        }
    }
    insta::assert_snapshot!("deployment_table", table);
}

#[test]
fn the_diagram_in_the_docs_is_made_from_the_table() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state-machine.md");
    let states: Vec<_> = states().into_iter().map(|(_, state)| state).collect();
    let events: Vec<_> = events()
        .into_iter()
        .filter(|(name, _)| !name.contains(','))
        .collect();
    let made = format!("```mermaid\n{}```\n", diagram(&states, &events, NOW));
    let docs = std::fs::read_to_string(PATH).unwrap();
    let (head, rest) = docs
        .split_once("<!-- deployment-diagram:begin -->\n")
        .unwrap();
    let (shown, tail) = rest.split_once("<!-- deployment-diagram:end -->").unwrap();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let updated = format!(
            "{head}<!-- deployment-diagram:begin -->\n{made}<!-- deployment-diagram:end -->{tail}"
        );
        std::fs::write(PATH, updated).unwrap();
    } else {
        assert_eq!(
            shown, made,
            "run `UPDATE_SNAPSHOTS=1 cargo test -p domain` and look at the change"
        );
    }
}

/// A service and its deployments, changed as the store changes them: all of a plan or nothing.
struct World {
    service: Service,
    deployments: Vec<Deployment>,
}

impl World {
    fn new(count: u8) -> Self {
        Self {
            service: Service::new("shop".parse().unwrap()),
            deployments: (0..count)
                .map(|number| new_deployment(number % 4))
                .enumerate()
                .map(|(place, mut deployment)| {
                    deployment.deployment_id =
                        DeploymentId::from_digest([u8::try_from(place).unwrap(); 16]);
                    deployment
                })
                .collect(),
        }
    }

    fn find(&self, id: &DeploymentId) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.deployment_id == *id)
    }

    fn apply(&mut self, outcome: Result<PlanOutcome, TransitionError>) {
        let Ok(PlanOutcome::Apply(plan)) = outcome else {
            return;
        };
        assert_eq!(*plan.service.before(), self.service);
        self.service = plan.service.after().clone();
        for change in plan.deployments {
            let place = self
                .deployments
                .iter()
                .position(|deployment| deployment == change.before());
            self.deployments[place.unwrap()] = change.into_after();
        }
    }

    fn step(&mut self, which: usize, action: u8, number: u8, now: Timestamp) {
        let chosen = self.deployments[which % self.deployments.len()].clone();
        match action {
            0 | 1 => {
                let event = if action == 0 {
                    Event::Stage { job_id: job(1) }
                } else {
                    Event::Fail { reason: reason() }
                };
                if let Ok(Transition::Apply(change)) = transition(&chosen, &event, "test", now) {
                    let place = which % self.deployments.len();
                    self.deployments[place] = change.into_after();
                }
            }
            2 => {
                let live = self
                    .service
                    .live
                    .as_ref()
                    .and_then(|live| self.find(&live.deployment_id));
                let outcome = promote(&self.service, &chosen, live, &job(2), ("test", now));
                self.apply(outcome);
            }
            _ => {
                let to = version(number % 4);
                let target = self.service.earlier(&chosen, &to);
                let target = target.and_then(|was| self.find(&was.deployment_id));
                let outcome = roll_back(
                    &self.service,
                    &chosen,
                    target,
                    (&to, &reason()),
                    ("test", now),
                );
                self.apply(outcome);
            }
        }
    }
}

proptest! {
    #[test]
    fn at_most_one_deployment_is_live_and_the_service_names_it(
        steps in prop::collection::vec((0..8_usize, 0..4_u8, 0..4_u8), 0..80),
    ) {
        let mut world = World::new(8);
        let mut now = NOW;
        for (which, action, number) in steps {
            now = now.plus_seconds(1);
            let before = world.deployments.clone();
            world.step(which, action, number, now);
            let live: Vec<_> = world.deployments.iter()
                .filter(|deployment| deployment.status() == DeploymentStatus::Live)
                .map(|deployment| &deployment.deployment_id)
                .collect();
            prop_assert!(live.len() <= 1, "more than one is live");
            prop_assert_eq!(live.first().copied(), world.service.live.as_ref().map(|live| &live.deployment_id));
            for (before, after) in before.iter().zip(&world.deployments) {
                if matches!(before.status(), DeploymentStatus::Failed | DeploymentStatus::RolledBack) {
                    prop_assert_eq!(before, after, "ends absorb everything");
                }
                if before != after {
                    prop_assert_eq!(after.revision, before.revision + 1);
                    prop_assert_eq!(after.history.len(), before.history.len() + 1);
                }
            }
            for deployment in &world.deployments {
                prop_assert!(deployment.production().is_none() || deployment.staging().is_some());
            }
        }
    }

    #[test]
    fn every_deployment_can_reach_an_end(which in 0..7_usize) {
        let (_, deployment) = states().swap_remove(which);
        let mut at = deployment;
        if at.status() == DeploymentStatus::Superseded {
            at = after(&at, &Event::Restore { from_version: version(3), reason: reason() });
        }
        let last = match at.status() {
            DeploymentStatus::Pending | DeploymentStatus::Staged => after(&at, &Event::Fail { reason: reason() }),
            DeploymentStatus::Live => after(&at, &Event::RollBack { to_version: version(1), reason: reason() }),
            DeploymentStatus::Superseded | DeploymentStatus::RolledBack | DeploymentStatus::Failed => at,
        };
        prop_assert!(matches!(last.status(), DeploymentStatus::Failed | DeploymentStatus::RolledBack));
    }
}

#[test]
fn the_history_keeps_the_last_hundred_entries() {
    let mut deployment = states().swap_remove(2).1;
    for _ in 0..80 {
        deployment = after(
            &deployment,
            &Event::Supersede {
                by_version: version(3),
            },
        );
        deployment = after(
            &deployment,
            &Event::Restore {
                from_version: version(3),
                reason: reason(),
            },
        );
    }
    assert_eq!(deployment.history.len(), domain::deployment::MAX_HISTORY);
}

#[test]
fn a_rollback_goes_to_a_version_that_was_live_before() {
    let mut world = World::new(3);
    for place in 0..3 {
        let now = NOW.plus_seconds(i64::try_from(place).unwrap());
        world.step(place, 0, 0, now);
        world.step(place, 2, 0, now);
    }
    let live = world.deployments[2].clone();
    assert_eq!(world.service.earlier(&live, &version(7)), None);
    world.step(2, 3, 0, NOW.plus_seconds(9));
    let statuses = world
        .deployments
        .iter()
        .map(Deployment::status)
        .collect::<Vec<_>>();
    let expected = [
        DeploymentStatus::Live,
        DeploymentStatus::Superseded,
        DeploymentStatus::RolledBack,
    ];
    assert_eq!(statuses, expected);
    // Version 1 went live after version 0 did: it is no earlier one.
    let live = world.deployments[0].clone();
    assert_eq!(world.service.earlier(&live, &version(1)), None);
}
