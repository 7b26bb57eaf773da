//! Jobs whose back-off has passed, moved to their place in line.

use super::Stored;
use super::claim::Candidate;
use crate::keys::millis;
use crate::update::Outcome;
use crate::{StoreError, TenantStore, WriteId};
use domain::Timestamp;
use domain::job::{Job, JobState};
use wire::PoolName;

impl TenantStore<'_> {
    /// Moves jobs whose back-off has passed to their place in line, so that a large number of them still obeys priority.
    /// Claims find them without that, up to a page of them. Returns how many it moved, at most 16.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn promote_due_jobs(
        &self,
        pool: &PoolName,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<usize, StoreError> {
        let before = Some(millis(now.plus_millis(1)));
        let mut promoted = 0;
        for sort in self
            .ready_page("promote_job", self.scope.not_due(pool), before)
            .await?
        {
            let Some(waiting) = Candidate::parse(&sort, false) else {
                continue;
            };
            let Some(stored) = self.stored_job(&waiting.job_id).await? else {
                continue;
            };
            if stored.job.state == JobState::Queued && stored.job.available_at <= now {
                promoted += usize::from(self.promote(stored, now, &WriteId::new(random())).await?);
            }
        }
        Ok(promoted)
    }

    /// Writes the job under the keys that it has now that it is due. The job itself stays as it is.
    async fn promote(
        &self,
        stored: Stored,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<bool, StoreError> {
        let after = Job {
            revision: stored.job.revision + 1,
            ..stored.job.clone()
        };
        match self
            .write_job("promote_job", &stored, &after, now, write_id)
            .await?
        {
            Outcome::Applied(_) => Ok(true),
            // Somebody claimed or cancelled it meanwhile: all the better.
            Outcome::Stale(_) | Outcome::Missing => Ok(false),
        }
    }
}
