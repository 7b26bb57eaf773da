//! Nothing of a run stays but two ended jobs in the history, and the record of who did what.
//!
//! What there is to remove is what the control plane lists for the pool, not what the run remembers: an answer that was lost
//! may have made something all the same.

use crate::client::{Call, CallError, Repeat};
use crate::pool::is_abandoned;
use crate::steps::Found;
use crate::story::World;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;
use wire::{AgentId, AgentStatus, Job, PoolName};

/// How long until it looks again whether the pool is empty.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many pages of pools are searched for abandoned ones.
const PAGES: u32 = 10;
/// How many abandoned pools one run removes.
const ABANDONED: usize = 5;

#[derive(Debug, Deserialize)]
struct JobList {
    jobs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct AgentList {
    agents: Vec<ListedAgent>,
}

#[derive(Debug, Deserialize)]
struct ListedAgent {
    agent_id: AgentId,
    status: AgentStatus,
}

#[derive(Debug, Deserialize)]
struct EnrolmentList {
    enrolment_tokens: Vec<Enrolment>,
}

#[derive(Debug, Deserialize)]
struct Enrolment {
    key_id: String,
    pool_name: PoolName,
}

#[derive(Debug, Deserialize)]
struct PoolList {
    pools: Vec<ListedPool>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ListedPool {
    pool_name: PoolName,
}

/// Cancels, deregisters and revokes what the pool still has, and deletes the pool.
pub(crate) async fn clean_up(world: &World, pool: &PoolName) -> Found<()> {
    let mut removed = 0;
    loop {
        removed += revoke_tokens(world, pool).await?;
        // An agent that goes takes its cancelled job along; one that is gone cannot be given another.
        removed += cancel_jobs(world, pool).await?;
        removed += deregister_agents(world, pool).await?;
        let call = Call::delete(format!("/api/agents/pools/{pool}")).by(&world.token);
        match done(world.client.send::<IgnoredAny>(call).await) {
            // The lists may be a moment behind.
            Err(error) if error.has_code("not_empty") || error.has_code("contended") => {
                world.client.note(error.to_string());
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            outcome => {
                outcome?;
                return Ok((
                    (),
                    format!("{pool} is gone, and what it still had: {removed} removed"),
                ));
            }
        }
    }
}

/// What runs that were killed left behind, some hours ago.
pub(crate) async fn clean_up_abandoned(world: &World, now_millis: u64) -> Found<()> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let call = Call::get(format!("/api/agents/pools?limit=100{cursor}")).by(&world.token);
        let page: PoolList = world.client.send(call).await?;
        let names = page.pools.into_iter().map(|pool| pool.pool_name);
        found.extend(names.filter(|name| is_abandoned(name, now_millis)));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    let count = found.len();
    for pool in found.iter().take(ABANDONED) {
        clean_up(world, pool).await?;
    }
    Ok((
        (),
        format!(
            "{} of {count} abandoned pools removed",
            count.min(ABANDONED)
        ),
    ))
}

async fn revoke_tokens(world: &World, pool: &PoolName) -> Result<usize, CallError> {
    let call = Call::get("/api/agents/enrolment-tokens?limit=100").by(&world.token);
    let list: EnrolmentList = world.client.send(call).await?;
    let mut removed = 0;
    for token in list
        .enrolment_tokens
        .iter()
        .filter(|token| token.pool_name == *pool)
    {
        let call =
            Call::delete(format!("/api/agents/enrolment-tokens/{}", token.key_id)).by(&world.token);
        done(world.client.send::<IgnoredAny>(call).await)?;
        removed += 1;
    }
    Ok(removed)
}

async fn cancel_jobs(world: &World, pool: &PoolName) -> Result<usize, CallError> {
    let call = Call::get(format!("/api/queue/jobs?limit=100&pool_name={pool}")).by(&world.token);
    let list: JobList = world.client.send(call).await?;
    let mut removed = 0;
    for job in list
        .jobs
        .iter()
        .filter(|job| !job.status.is_ended() && !job.cancel_requested)
    {
        let call = Call::delete(format!("/api/queue/jobs/{}", job.job_id)).by(&world.token);
        match done(world.client.send::<IgnoredAny>(call).await) {
            // It has ended meanwhile.
            Err(error) if error.has_code("illegal_transition") => {}
            outcome => {
                outcome?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

async fn deregister_agents(world: &World, pool: &PoolName) -> Result<usize, CallError> {
    let call = Call::get(format!("/api/agents?limit=100&pool_name={pool}")).by(&world.token);
    let list: AgentList = world.client.send(call).await?;
    let mut removed = 0;
    for agent in list
        .agents
        .iter()
        .filter(|agent| agent.status != AgentStatus::Terminated)
    {
        let path = format!("/api/agents/{}/deregister", agent.agent_id);
        let call = Call::post(path, Repeat::Harmless).by(&world.token);
        done(world.client.send::<IgnoredAny>(call).await)?;
        removed += 1;
    }
    Ok(removed)
}

/// What is gone already is as good as removed.
fn done(answer: Result<IgnoredAny, CallError>) -> Result<(), CallError> {
    match answer {
        Err(error) if error.is(404) => Ok(()),
        answer => answer.map(|_| ()),
    }
}
