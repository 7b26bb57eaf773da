//! The record of who did what.

use super::*;
use store::AuditFilter;
use wire::audit::{Action, Detail, Draft, Outcome};

impl World {
    /// Action and resource of every record, oldest first.
    async fn records(&self) -> Vec<(String, String)> {
        let tenant = self.store.tenant(&self.scope);
        let page = tenant
            .audit_records(&AuditFilter::default(), 1_000, None)
            .await
            .unwrap();
        assert_eq!(page.next, None);
        let records = page.records.into_iter().rev();
        records
            .map(|record| (record.action, record.resource))
            .collect()
    }

    async fn intend(&self, resource: &str) {
        let draft = Draft {
            at: self.now(),
            actor: "user:1".to_owned(),
            credential_id: None,
            action: Action::PoolDelete.as_str().to_owned(),
            resource: resource.to_owned(),
            outcome: Outcome::Unknown,
            before_sha256: None,
            after_sha256: None,
            request_id: None,
            address: None,
            detail: Detail::new(),
        };
        let tenant = self.store.tenant(&self.scope);
        tenant
            .put_intent(&draft, &WriteId::new(random()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_pass_records_jobs_and_what_people_began() {
    let world = World::new().await;
    let maintenance = world.maintenance();
    let job = world.enqueue().await;
    world.change(&job, &JobEvent::Cancel).await;
    world.intend("pool:one").await;
    assert_eq!(maintenance.roll_up_pass().await.recorded, 0);
    world.advance(181);
    let report = maintenance.roll_up_pass().await;
    assert_eq!((report.recorded, report.errors), (3, 0));
    assert_eq!(maintenance.roll_up_pass().await.recorded, 0);
    let of_job = format!("job:{job}");
    let expected = [
        ("pool.delete", "pool:one"),
        ("job.enqueued", &of_job),
        ("job.ended", &of_job),
    ];
    let records = world.records().await;
    let records: Vec<_> = records
        .iter()
        .map(|(action, resource)| (action.as_str(), resource.as_str()))
        .collect();
    assert_eq!(records, expected);
}

#[tokio::test]
async fn two_passes_at_once_record_everything_once() {
    let world = World::new().await;
    for _ in 0..60 {
        let job = world.enqueue().await;
        world.change(&job, &JobEvent::Cancel).await;
    }
    for number in 0..30 {
        world.intend(&format!("pool:{number}")).await;
    }
    world.advance(181);
    let other = Maintenance::new(
        world.store_of_another_process(),
        world.maintenance().now.clone(),
        Arc::new(random),
    );
    let (one, two) = (world.maintenance(), other);
    let (one, two) = tokio::join!(one.roll_up_pass(), two.roll_up_pass());
    // Whoever loses a race leaves the rest to the next pass.
    let rest = world.maintenance().roll_up_pass().await;
    assert_eq!(one.errors + two.errors + rest.errors, 0);
    assert_eq!(one.recorded + two.recorded + rest.recorded, 150);
    let mut records = world.records().await;
    records.sort_unstable();
    records.dedup();
    assert_eq!(records.len(), 150);
}

#[tokio::test]
async fn a_lost_agent_is_recorded() {
    let world = World::new().await;
    let agent = world.agent().await;
    world.advance(60);
    world.maintenance().sweep_pass().await;
    world.maintenance().sweep_pass().await;
    world.advance(61);
    world.maintenance().roll_up_pass().await;
    let resource = format!("agent:{agent}");
    assert_eq!(world.records().await, [("agent.lost".to_owned(), resource)]);
}
