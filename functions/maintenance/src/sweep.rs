//! One sweep over what is due.

use crate::{Maintenance, SweepReport};
use store::DEADLINE_SHARDS;
use wire::JobStatus;

impl Maintenance {
    /// Looks once after everything that is due: agents that were not heard of, jobs that were not started or ran too long.
    /// A shard that fails does not stop the others; the next pass tries it again.
    #[tracing::instrument(name = "sweep", skip_all)]
    pub async fn sweep_pass(&self) -> SweepReport {
        let now = self.now();
        let shards = (0..DEADLINE_SHARDS)
            .map(|shard| self.store.sweep_shard(shard, now, || (self.random)()));
        let mut report = SweepReport {
            passes: 1,
            ..SweepReport::default()
        };
        for swept in futures_util::future::join_all(shards).await {
            match swept {
                Ok(swept) => {
                    for moved in &swept.moved {
                        tracing::info!(
                            tenant_id = %moved.tenant,
                            job_id = %moved.job_id,
                            status = %moved.status,
                            "an overdue job was moved"
                        );
                    }
                    let requeued = swept
                        .moved
                        .iter()
                        .filter(|moved| moved.status == JobStatus::Queued)
                        .count();
                    report.requeued += requeued;
                    report.ended += swept.moved.len() - requeued;
                    report.lost_agents += swept.lost_agents;
                    report.errors += swept.failed;
                }
                Err(error) => {
                    tracing::error!(%error, "a shard could not be swept");
                    report.errors += 1;
                }
            }
        }
        report
    }
}
