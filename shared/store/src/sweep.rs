//! One look at everything that is due in one shard: agents whose lease may have ended, jobs whose deadline has passed.
//!
//! Whatever finds something overdue calls this: the schedule, an agent's empty poll, a person. Every write in it is
//! conditional on what was seen, so any number of sweeps may run at once.

use crate::agents::SweptAgent;
use crate::keys::DEADLINE_SHARDS;
use crate::{Returned, Store, StoreError, TenantStore, WriteId};
use domain::Timestamp;
use domain::agent::Agent;

/// How many entries are read at a time.
const PAGE: u32 = 50;

/// How many pages of each kind one sweep takes; the next one goes on.
const MAX_PAGES: usize = 20;

/// How many jobs are given back at a time; a full answer means that the agent may hold more.
const GIVEN_BACK_AT_ONCE: usize = 100;

/// What a sweep of one shard came to.
#[derive(Debug, Default)]
pub struct SweptShard {
    /// The jobs that it moved.
    pub moved: Vec<Returned>,
    /// How many agents it declared lost.
    pub lost_agents: usize,
    /// How many agents, or jobs of one page, it could not look after. They stay due, so the next sweep tries again.
    pub failed: usize,
}

impl Store {
    /// Looks after everything that is due in all shards.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was moved before stays moved.
    pub async fn sweep_all(
        &self,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<SweptShard, StoreError> {
        let mut all = SweptShard::default();
        for shard in 0..DEADLINE_SHARDS {
            let swept = self.sweep_shard(shard, now, &mut random).await?;
            all.moved.extend(swept.moved);
            all.lost_agents += swept.lost_agents;
            all.failed += swept.failed;
        }
        Ok(all)
    }

    /// Looks after everything that is due in one shard of `0..DEADLINE_SHARDS`.
    ///
    /// # Errors
    /// [`StoreError`] as every operation; what was moved before stays moved.
    pub async fn sweep_shard(
        &self,
        shard: u32,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
    ) -> Result<SweptShard, StoreError> {
        let mut swept = SweptShard::default();
        for _ in 0..MAX_PAGES {
            let due = self.due_agents(shard, now, PAGE).await?;
            let failed_before = swept.failed;
            for agent in &due {
                let tenant = self.tenant(&agent.scope);
                let write_id = WriteId::new(random());
                match tenant.sweep_agent(&agent.agent_id, now, &write_id).await {
                    Ok(SweptAgent::Alive) => {}
                    Ok(SweptAgent::Postponed) => swept.failed += 1,
                    Ok(SweptAgent::Reclaim { agent, newly_lost }) => {
                        if newly_lost {
                            swept.lost_agents += 1;
                        }
                        let reclaimed = tenant
                            .reclaim(&agent, now, &mut random, &mut swept.moved)
                            .await;
                        match reclaimed {
                            Ok(()) => {}
                            Err(error @ StoreError::Busy { .. }) => return Err(error),
                            Err(error) => {
                                tracing::error!(%error, agent_id = %agent.agent_id, "jobs could not be given back");
                                swept.failed += 1;
                            }
                        }
                    }
                    Err(error @ StoreError::Busy { .. }) => return Err(error),
                    // One item that cannot be read must not keep all that come after it from being looked after.
                    Err(error) => {
                        tracing::error!(%error, agent_id = %agent.agent_id, "an agent could not be swept");
                        swept.failed += 1;
                    }
                }
            }
            // What failed is still due: another page would begin with it.
            if due.len() < PAGE as usize || swept.failed > failed_before {
                break;
            }
        }
        for _ in 0..MAX_PAGES {
            let jobs = self.sweep_jobs(shard, now, PAGE, &mut random).await?;
            let moved = jobs.moved.len();
            swept.moved.extend(jobs.moved);
            // The next page would begin with the same ones, and they were counted already.
            swept.failed = swept.failed.max(jobs.failed);
            // A page of which nothing moved is being looked after by another sweep, or the index is behind.
            if jobs.due < PAGE as usize || moved == 0 {
                break;
            }
        }
        Ok(swept)
    }
}

impl TenantStore<'_> {
    /// Gives back everything that the agent holds under an epoch of its lease that is over.
    async fn reclaim(
        &self,
        agent: &Agent,
        now: Timestamp,
        mut random: impl FnMut() -> [u8; 8],
        moved: &mut Vec<Returned>,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_PAGES {
            let given_back = self
                .give_back_jobs(&agent.agent_id, agent.epoch, now, &mut random)
                .await?;
            let count = given_back.len();
            moved.extend(given_back);
            if count < GIVEN_BACK_AT_ONCE {
                break;
            }
        }
        Ok(())
    }
}
