//! Agents: one item each, which is also the session's and its lease's. A heartbeat writes that item alone.

mod item;
mod list;
#[cfg(test)]
mod tests;

pub use list::{AgentEntry, AgentFilter, AgentPage, AgentPosition};

use crate::call::{Item, key, string};
use crate::keys::{deadline_shard, millis, parse_deadline_sort};
use crate::schema::TableKind;
use crate::update::Outcome;
use crate::{Store, StoreError, TenantScope, TenantStore, WriteId};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::agent::{Agent, Change, Event, Session, Transition, TransitionError, transition};
use wire::AgentId;

/// How often a change is decided anew when somebody else wrote in between.
const MAX_DECISIONS: usize = 3;

/// The sort key of every agent item.
const AGENT: &str = "A";

/// What became of an event.
#[derive(Debug)]
pub enum AgentOutcome {
    /// It changed the agent, which is now so.
    Changed(Box<Agent>),
    /// It had happened before.
    AlreadyDone(Box<Agent>),
    /// The rules do not allow it.
    Refused(TransitionError),
    /// There is no such agent in this tenant.
    Missing,
    /// Others wrote in between, again and again. Nothing changed; trying again is safe.
    Contended,
}

/// An agent whose entry in the deadlines is due.
#[derive(Debug)]
pub struct DueAgent {
    /// Its tenant.
    pub scope: TenantScope,
    /// Its id.
    pub agent_id: AgentId,
}

/// What a look at an agent came to.
#[derive(Debug)]
pub enum SweptAgent {
    /// There is nothing to do.
    Alive,
    /// Every job that it holds under an epoch before its present one has to be given back.
    Reclaim {
        /// The agent.
        agent: Box<Agent>,
        /// Whether this very look declared it lost.
        newly_lost: bool,
    },
    /// It is to be declared lost, and that cannot be recorded now. It stays due.
    Postponed,
}

impl Store {
    /// Agents of one shard of the deadlines that have to be looked at.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn due_agents(
        &self,
        shard: u32,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueAgent>, StoreError> {
        const OPERATION: &str = "due_agents";
        let answer = self
            .client
            .query()
            .table_name(self.tables.name(TableKind::Agents))
            .index_name("deadline")
            .key_condition_expression("dpk = :shard AND dsk < :now")
            .expression_attribute_values(":shard", string(deadline_shard(shard)))
            .expression_attribute_values(":now", string(millis(now.plus_millis(1))))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.count_read(OPERATION, answer.consumed_capacity());
        let due = |item: &Item| {
            let (scope, id) = parse_deadline_sort(item.get("dsk")?.as_s().ok()?)?;
            Some(DueAgent {
                scope,
                agent_id: AgentId::parse(id).ok()?,
            })
        };
        Ok(answer.items().iter().filter_map(due).collect())
    }
}

impl TenantStore<'_> {
    /// Adds an agent that has just registered.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn add_agent(&self, agent: &Agent, write_id: &WriteId) -> Result<(), StoreError> {
        const OPERATION: &str = "add_agent";
        let item = item::write(self.scope, agent)?;
        match self
            .store
            .put_new_item(OPERATION, TableKind::Agents, item, write_id)
            .await?
        {
            None => Ok(()),
            Some(_) => Err(StoreError::unreadable(
                OPERATION,
                "the new agent's id is taken",
            )),
        }
    }

    /// The item of an agent that is to be added.
    pub(crate) fn new_agent_item(&self, agent: &Agent) -> Result<Item, StoreError> {
        item::write(self.scope, agent)
    }

    /// The agent, as of now.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads 1 unit.
    pub async fn agent(&self, agent_id: &AgentId) -> Result<Option<Agent>, StoreError> {
        self.read_agent(agent_id, true).await
    }

    /// The agent, as it was a moment ago.
    ///
    /// # Errors
    /// [`StoreError`] as every operation. Reads half a unit.
    pub async fn agent_eventually(&self, agent_id: &AgentId) -> Result<Option<Agent>, StoreError> {
        self.read_agent(agent_id, false).await
    }

    async fn read_agent(
        &self,
        agent_id: &AgentId,
        consistent: bool,
    ) -> Result<Option<Agent>, StoreError> {
        const OPERATION: &str = "get_agent";
        let answer = self
            .store
            .client
            .get_item()
            .table_name(self.store.tables.name(TableKind::Agents))
            .set_key(Some(key(self.scope.agent(agent_id), AGENT)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        answer.item.map(item::read).transpose()
    }

    /// What `event` does to the agent: read, decide, write if nobody else wrote, else decide again. A heartbeat of an agent
    /// that was last heard of in this process is not preceded by a read.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn change_agent(
        &self,
        operation: &'static str,
        agent_id: &AgentId,
        event: &Event,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<AgentOutcome, StoreError> {
        // What may come to "already done", and so to no write, must be decided on the agent as it is. For a heartbeat a
        // stale one costs a second decision, not a wrong one: its write is conditional on the revision.
        if !matches!(event, Event::Heartbeat(_)) {
            return match self.agent(agent_id).await? {
                Some(seen) => {
                    self.change_seen(operation, seen, event, now, write_id)
                        .await
                }
                None => Ok(AgentOutcome::Missing),
            };
        }
        let memory = &self.store.memory.agents;
        let partition = self.scope.agent(agent_id);
        let seen = match memory.take(&partition) {
            Some(agent) => Some(agent),
            None => self.agent_eventually(agent_id).await?,
        };
        // One that is missing may have registered a moment ago.
        let seen = match seen.filter(|agent| !matches!(agent.session, Session::Ended { .. })) {
            Some(agent) => Some(agent),
            None => self.agent(agent_id).await?,
        };
        let Some(seen) = seen else {
            return Ok(AgentOutcome::Missing);
        };
        let outcome = self
            .change_seen(operation, seen, event, now, write_id)
            .await?;
        if let AgentOutcome::Changed(agent) = &outcome {
            memory.put(partition, Agent::clone(agent));
        }
        Ok(outcome)
    }

    async fn change_seen(
        &self,
        operation: &'static str,
        mut agent: Agent,
        event: &Event,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<AgentOutcome, StoreError> {
        for _ in 0..MAX_DECISIONS {
            let change = match transition(&agent, event, now) {
                Ok(Transition::Apply(change)) => change,
                Ok(Transition::AlreadyDone) => {
                    return Ok(AgentOutcome::AlreadyDone(Box::new(agent)));
                }
                Err(refusal) => return Ok(AgentOutcome::Refused(refusal)),
            };
            match self.apply_agent(operation, &change, write_id).await? {
                Outcome::Applied(agent) => return Ok(AgentOutcome::Changed(Box::new(agent))),
                Outcome::Stale(seen) => agent = seen,
                Outcome::Missing => return Ok(AgentOutcome::Missing),
            }
        }
        Ok(AgentOutcome::Contended)
    }

    async fn apply_agent(
        &self,
        operation: &'static str,
        change: &Change,
        write_id: &WriteId,
    ) -> Result<Outcome<Agent>, StoreError> {
        let before = item::write(self.scope, change.before())?;
        let after = item::write(self.scope, change.after())?;
        let outcome = self
            .store
            .update_item(operation, TableKind::Agents, &before, after, write_id)
            .await?;
        Ok(match outcome {
            Outcome::Applied(_) => Outcome::Applied(change.after().clone()),
            Outcome::Stale(found) => Outcome::Stale(item::read(found)?),
            Outcome::Missing => Outcome::Missing,
        })
    }

    /// Looks at an agent whose entry is due: declares it lost if its lease is over, else sets its entry anew. That it is about to
    /// be declared lost is written down first: whoever does it may die of it, or not hear that it was done.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn sweep_agent(
        &self,
        agent_id: &AgentId,
        now: Timestamp,
        write_id: &WriteId,
    ) -> Result<SweptAgent, StoreError> {
        const OPERATION: &str = "sweep_agent";
        let Some(mut seen) = self.agent(agent_id).await? else {
            return Ok(SweptAgent::Alive);
        };
        for _ in 0..MAX_DECISIONS {
            let Ok(Transition::Apply(change)) = transition(&seen, &Event::Sweep, now) else {
                return Ok(SweptAgent::Alive);
            };
            let newly_lost = change.after().epoch > change.before().epoch;
            let mut loss = None;
            if newly_lost {
                match self.intend_loss(change.after(), now, write_id).await {
                    Ok(intended) => loss = Some(intended),
                    Err(error) => {
                        // One tenant's record that cannot be written must not keep those of others from being looked after.
                        tracing::error!(%error, %agent_id, "the loss of an agent cannot be recorded");
                        return Ok(SweptAgent::Postponed);
                    }
                }
            }
            let outcome = self.apply_agent(OPERATION, &change, write_id).await?;
            if let Some(loss) = loss {
                let declared = matches!(outcome, Outcome::Applied(_));
                self.end_loss(loss, declared).await;
            }
            match outcome {
                Outcome::Applied(agent) if agent.reclaim_until.is_some() => {
                    let agent = Box::new(agent);
                    return Ok(SweptAgent::Reclaim { agent, newly_lost });
                }
                Outcome::Applied(_) | Outcome::Missing => return Ok(SweptAgent::Alive),
                Outcome::Stale(found) => seen = found,
            }
        }
        Ok(SweptAgent::Alive)
    }
}
