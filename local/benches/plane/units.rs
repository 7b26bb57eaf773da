//! How many write units each operation consumes, on the store itself, in this process.

use crate::report::Report;
use crate::runtime;
use crate::tenant::{NOW, Tenant, complete, start, unregistered};
use domain::Timestamp;
use domain::agent::Event;
use domain::job::{JobEvent, TIMEOUT_GRACE_SECONDS};
use domain::pool::Pool;
use domain::timing::LEASE_SECONDS;
use embedded_dynamodb::Engine;
use std::collections::BTreeMap;
use telemetry::Usage;
use wire::{JobStatus, Priority};

pub(crate) fn measure(report: &mut Report) {
    runtime().block_on(async {
        // Each with a store of its own, so that a sweep finds nothing of what was measured before.
        Units::new(report).await.life_of_a_job().await;
        Units::new(report).await.changes_by_hand().await;
        Units::new(report).await.life_of_an_agent().await;
        Units::new(report).await.loss_of_an_agent().await;
        Units::new(report).await.time_out_and_promotion().await;
        Units::new(report).await.new_pool().await;
    });
}

struct Units<'a> {
    tenant: Tenant,
    report: &'a mut Report,
    /// What had been consumed when something was last noted.
    before: BTreeMap<&'static str, Usage>,
}

impl<'a> Units<'a> {
    async fn new(report: &'a mut Report) -> Self {
        let tenant = Tenant::new(&Engine::memory().unwrap()).await;
        Self {
            before: tenant.store.meter().snapshot(),
            tenant,
            report,
        }
    }

    /// Write units of one operation since something was last noted.
    fn written_by(&self, operation: &str) -> f64 {
        let written =
            |counts: &BTreeMap<_, Usage>| counts.get(operation).map_or(0.0, |it| it.write_units);
        written(&self.tenant.store.meter().snapshot()) - written(&self.before)
    }

    /// Notes everything that was written since something was last noted.
    fn note(&mut self, name: &str) {
        let now = self.tenant.store.meter().snapshot();
        let units = now.keys().map(|operation| self.written_by(operation)).sum();
        self.report.units(&format!("write units: {name}"), units);
        self.before = now;
    }

    /// Notes what each of these operations has written since something was last noted, and what others have along with
    /// them.
    fn note_each(&mut self, parts: &[(&str, &str)]) {
        let now = self.tenant.store.meter().snapshot();
        for (operation, name) in parts {
            let units = self.written_by(operation);
            assert!(units > 0.0, "nothing was written by {operation}");
            self.report.units(&format!("write units: {name}"), units);
        }
        let named = |operation: &str| parts.iter().any(|(part, _)| *part == operation);
        for operation in now.keys().filter(|operation| !named(operation)) {
            let units = self.written_by(operation);
            if units > 0.0 {
                let name = format!("write units: {operation}, along with that");
                self.report.units(&name, units);
            }
        }
        self.before = now;
    }

    async fn life_of_a_job(&mut self) {
        let before = self.tenant.store.meter().total().write_units;
        let agent = unregistered();
        let id = self.tenant.enqueue(NOW).await;
        self.note("enqueue");
        self.tenant.claim(&agent, NOW).await;
        self.note("claim");
        let begun = start(&agent, 1);
        self.tenant.change("start", &id, &begun, NOW).await;
        self.note("start");
        let done = complete(&agent, 1, 0);
        self.tenant.change("complete", &id, &done, NOW).await;
        self.note("complete");
        let life = self.tenant.store.meter().total().write_units - before;
        self.report.units("write units: a whole life", life);
        let id = self.tenant.enqueue_with_key("key", NOW).await;
        self.note("enqueue with an idempotency key");
        self.tenant.claim(&agent, NOW).await;
        self.tenant.change("complete", &id, &done, NOW).await;
        self.note("claim and complete, not started");
    }

    async fn changes_by_hand(&mut self) {
        let agent = unregistered();
        let id = self.tenant.enqueue(NOW).await;
        let priority = Priority::Low;
        let urgency = JobEvent::Reprioritise { priority };
        self.tenant.change("reprioritise", &id, &urgency, NOW).await;
        self.note("enqueue and reprioritise");
        self.tenant.claim(&agent, NOW).await;
        self.note("claim, again");
        let failed = complete(&agent, 1, 1);
        self.tenant.change("complete", &id, &failed, NOW).await;
        self.note("complete, to be retried");
        self.tenant
            .change("cancel", &id, &JobEvent::Cancel, NOW)
            .await;
        self.note("cancel, queued");
        self.tenant
            .change("retry", &id, &JobEvent::Retry, NOW)
            .await;
        self.note("retry by hand");
        self.tenant.claim(&agent, NOW).await;
        self.note("claim of a retried job");
        let begun = start(&agent, 2);
        self.tenant.change("start", &id, &begun, NOW).await;
        self.note("start of a retried job");
        self.tenant
            .change("cancel", &id, &JobEvent::Cancel, NOW)
            .await;
        self.note("cancel request of a running job");
        let done = complete(&agent, 2, 0);
        self.tenant.change("complete", &id, &done, NOW).await;
        self.note("complete of a retried job");
    }

    async fn life_of_an_agent(&mut self) {
        let agent = self.tenant.register(NOW).await;
        self.note("register");
        // The first is far from the end of the lease; the second moves the agent's entry in the deadlines.
        self.tenant.heartbeat(&agent, NOW.plus_seconds(10)).await;
        self.note("heartbeat");
        self.tenant.heartbeat(&agent, NOW.plus_seconds(20)).await;
        self.note("heartbeat that moves the deadline");
        self.tenant
            .change_agent(
                "deregister",
                &agent,
                &Event::Deregister,
                NOW.plus_seconds(25),
            )
            .await;
        self.note("deregister");
    }

    /// The agent is silent for a lease while it runs a job.
    async fn loss_of_an_agent(&mut self) {
        let agent = self.tenant.register(NOW).await;
        let id = self.tenant.enqueue(NOW).await;
        let job = self.tenant.claim(&agent, NOW).await;
        let begun = start(&agent, job.attempt);
        self.tenant.change("start", &id, &begun, NOW).await;
        self.before = self.tenant.store.meter().snapshot();
        self.sweep(NOW.plus_seconds(LEASE_SECONDS)).await;
        self.note_each(&[
            ("sweep_agent", "loss of an agent, found by the sweep"),
            ("give_back_job", "requeue of the job of a lost agent"),
        ]);
        let lost = self.tenant.tenant().job(&id).await.unwrap().unwrap();
        assert_eq!((lost.status(), lost.losses), (JobStatus::Queued, 1));
    }

    /// A job runs longer than it may, is put back with a delay, and then to its place in line.
    async fn time_out_and_promotion(&mut self) {
        let agent = unregistered();
        let id = self.tenant.enqueue(NOW).await;
        let job = self.tenant.claim(&agent, NOW).await;
        let begun = start(&agent, job.attempt);
        self.tenant.change("start", &id, &begun, NOW).await;
        let seconds = i64::from(job.spec.timeout_seconds) + TIMEOUT_GRACE_SECONDS;
        let due = NOW.plus_seconds(seconds);
        self.before = self.tenant.store.meter().snapshot();
        self.sweep(due).await;
        self.note_each(&[("sweep_job", "time-out of a running job, to be retried")]);
        let job = self.tenant.tenant().job(&id).await.unwrap().unwrap();
        assert_eq!((job.status(), job.failures), (JobStatus::Queued, 1));
        assert!(job.available_at > due, "it is not due yet");
        let tenant = self.tenant.tenant();
        let pool = crate::tenant::pool();
        let promoted = tenant.promote_due_jobs(&pool, job.available_at, || self.tenant.random());
        assert_eq!(promoted.await.unwrap(), 1);
        self.note_each(&[("promote_job", "promotion to its place in line")]);
    }

    async fn new_pool(&mut self) {
        let pool = Pool::new("another".parse().unwrap(), NOW);
        let write_id = self.tenant.write_id();
        let created = self.tenant.tenant().create_pool(&pool, &write_id).await;
        assert!(created.unwrap().is_none());
        self.note("create a pool");
    }

    async fn sweep(&self, now: Timestamp) {
        let swept = self.tenant.store.sweep_all(now, || self.tenant.random());
        assert_eq!(swept.await.unwrap().failed, 0);
    }
}
