//! The part of the record of who did what that nobody waits for: what happened to jobs, and changes whose maker did not live to
//! record them.

use crate::{Maintenance, RollUpReport};
use store::TenantScope;
use wire::Timestamp;

impl Maintenance {
    /// Records what there is to record of one tenant. What fails is left to the next pass, which loses nothing by it.
    pub(crate) async fn record(
        &self,
        scope: &TenantScope,
        now: Timestamp,
        report: &mut RollUpReport,
    ) {
        let tenant = self.store.tenant(scope);
        // What people did first: it waits longer already.
        let of_people = tenant.complete_stale_intents(now, || (self.random)()).await;
        let of_jobs = tenant.harvest_audit(now, || (self.random)()).await;
        for recorded in [of_people, of_jobs] {
            match recorded {
                Ok(count) => report.recorded += count,
                Err(error) => {
                    tracing::error!(%error, tenant_id = %scope.tenant(), "what happened could not be recorded");
                    report.errors += 1;
                }
            }
        }
    }
}
