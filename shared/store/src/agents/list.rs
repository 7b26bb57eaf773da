//! Lists of agents.

use super::{AGENT, item};
use crate::call::{Item, key, string};
use crate::schema::{TTL, TableKind};
use crate::{StoreError, TenantStore};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::Timestamp;
use domain::agent::Agent;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use wire::{AgentId, AgentStatus, Directive, PoolName};

const OPERATION: &str = "list_agents";

/// How many agents a page looks at, at most, to find those that are asked for.
const MAX_EXAMINED: usize = 1_000;

/// How many keys one read asks for.
const CHUNK: usize = 100;

/// How many pages of a partition of the index a count reads, about 5,000 agents each.
const MAX_COUNT_PAGES: usize = 10;

/// Which agents to list.
#[derive(Debug, Clone, Default)]
pub struct AgentFilter {
    /// Those of this pool.
    pub pool: Option<PoolName>,
    /// Those in one of these states; all, if there is none.
    pub statuses: Vec<AgentStatus>,
}

/// Where a page ended: whether among the agents that are gone, and the sort key of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPosition {
    gone: bool,
    sort: Option<String>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct AgentPage {
    /// The agents: those with a session first, then those that are gone; newest first.
    pub agents: Vec<Agent>,
    /// Where the next page begins; none at the end of the list.
    pub next: Option<AgentPosition>,
}

/// What an index tells of an agent that has not deregistered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEntry {
    /// Its id.
    pub agent_id: AgentId,
    /// Its pool.
    pub pool_name: PoolName,
    /// How many jobs it runs at a time.
    pub max_concurrent_jobs: u32,
    /// What it is fit for: `OFFLINE` if it was declared lost, else as its last heartbeat told. One whose lease has run out
    /// stands as it stood until a sweep declares it lost, some seconds later.
    pub standing: AgentStatus,
}

impl TenantStore<'_> {
    /// A page of the tenant's agents. Looks at no more than 1,000 of them for it.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn agents(
        &self,
        filter: &AgentFilter,
        limit: usize,
        after: Option<&AgentPosition>,
        now: Timestamp,
    ) -> Result<AgentPage, StoreError> {
        let mut page = AgentPage::default();
        let mut position = after.cloned().unwrap_or(AgentPosition {
            gone: false,
            sort: None,
        });
        let mut examined = 0;
        while examined < MAX_EXAMINED {
            let sorts = self.agent_sorts(&position).await?;
            if sorts.is_empty() {
                if position.gone {
                    return Ok(page);
                }
                position = AgentPosition {
                    gone: true,
                    sort: None,
                };
                continue;
            }
            examined += sorts.len();
            let mut found = self.agents_by_sorts(&sorts).await?;
            for sort in sorts {
                let agent = id_of(&sort).and_then(|id| found.remove(&id));
                position.sort = Some(sort);
                if let Some(agent) = agent.filter(|agent| matches(filter, agent, now)) {
                    page.agents.push(agent);
                    if page.agents.len() >= limit {
                        page.next = Some(position);
                        return Ok(page);
                    }
                }
            }
        }
        page.next = Some(position);
        Ok(page)
    }

    /// All agents that have a session, from an index alone.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn live_agents(
        &self,
        pool: Option<&PoolName>,
    ) -> Result<Vec<AgentEntry>, StoreError> {
        let mut agents = Vec::new();
        self.each_agent(self.scope.live_agents(), |item| agents.extend(entry(item)))
            .await?;
        agents.retain(|agent| pool.is_none_or(|pool| *pool == agent.pool_name));
        Ok(agents)
    }

    /// All agents that have not deregistered: those that have a session, and those that were lost within a day. From an
    /// index alone.
    ///
    /// # Errors
    /// [`StoreError`] as every operation.
    pub async fn known_agents(
        &self,
        pool: Option<&PoolName>,
        now: Timestamp,
    ) -> Result<Vec<AgentEntry>, StoreError> {
        let mut agents = self.live_agents(pool).await?;
        let mut lost = Vec::new();
        self.each_agent(self.scope.lost_agents(), |item| {
            lost.extend(entry(item).filter(|_| is_kept(item, now)));
        })
        .await?;
        lost.retain(|agent| pool.is_none_or(|pool| *pool == agent.pool_name));
        // One that was lost between the two reads is in both.
        let lost_ids: HashSet<_> = lost.iter().map(|agent| &agent.agent_id).collect();
        agents.retain(|agent| !lost_ids.contains(&agent.agent_id));
        agents.extend(lost.into_iter().map(|agent| AgentEntry {
            standing: AgentStatus::Offline,
            ..agent
        }));
        Ok(agents)
    }

    /// Calls for each entry of a partition of the index, up to a limit.
    async fn each_agent(
        &self,
        partition: String,
        mut entry: impl FnMut(&Item),
    ) -> Result<(), StoreError> {
        let mut start = None;
        for _ in 0..MAX_COUNT_PAGES {
            let answer = self
                .list_query()
                .key_condition_expression("lpk = :partition")
                .expression_attribute_values(":partition", string(partition.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
            self.store.count_read(OPERATION, answer.consumed_capacity());
            answer.items().iter().for_each(&mut entry);
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The sort keys of the next agents. Those that are gone stand in two partitions and are listed as if it were one.
    async fn agent_sorts(&self, position: &AgentPosition) -> Result<Vec<String>, StoreError> {
        // Positions come back from callers, who may have made them up.
        let after = position
            .sort
            .as_deref()
            .filter(|sort| id_of(sort).is_some());
        if !position.gone {
            return self.partition_sorts(self.scope.live_agents(), after).await;
        }
        // Lost ones are read first: one that deregisters meanwhile is then found twice rather than not at all.
        let mut sorts = self
            .partition_sorts(self.scope.lost_agents(), after)
            .await?;
        let deregistered = self.partition_sorts(self.scope.gone_agents(), after);
        sorts.extend(deregistered.await?);
        sorts.sort_unstable_by(|left, right| right.cmp(left));
        sorts.dedup();
        sorts.truncate(CHUNK);
        Ok(sorts)
    }

    /// The next sort keys of one partition of the index, newest first.
    async fn partition_sorts(
        &self,
        partition: String,
        after: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let condition = match after {
            None => "lpk = :partition",
            Some(_) => "lpk = :partition AND lsk < :after",
        };
        let mut query = self
            .list_query()
            .key_condition_expression(condition)
            .expression_attribute_values(":partition", string(partition))
            .scan_index_forward(false)
            .limit(i32::try_from(CHUNK).unwrap_or(i32::MAX));
        if let Some(sort) = after {
            query = query.expression_attribute_values(":after", string(sort));
        }
        let answer = query
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &error))?;
        self.store.count_read(OPERATION, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter();
        Ok(items
            .filter_map(|mut item| item.remove("lsk")?.as_s().ok().cloned())
            .collect())
    }

    fn list_query(&self) -> QueryFluentBuilder {
        self.store
            .client
            .query()
            .table_name(self.store.tables.name(TableKind::Agents))
            .index_name("list")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    async fn agents_by_sorts(
        &self,
        sorts: &[String],
    ) -> Result<HashMap<AgentId, Agent>, StoreError> {
        let ids = sorts.iter().filter_map(|sort| id_of(sort));
        let keys = ids.map(|id| key(self.scope.agent(&id), AGENT)).collect();
        let items = self
            .store
            .batch_get(OPERATION, TableKind::Agents, keys)
            .await?;
        let agents = items.into_iter().map(item::read);
        agents
            .map(|agent| agent.map(|agent| (agent.agent_id.clone(), agent)))
            .collect()
    }
}

fn matches(filter: &AgentFilter, agent: &Agent, now: Timestamp) -> bool {
    agent.kept_until().is_none_or(|until| now < until)
        && filter
            .pool
            .as_ref()
            .is_none_or(|pool| *pool == agent.pool_name)
        && (filter.statuses.is_empty() || filter.statuses.contains(&agent.status(now)))
}

/// Whether the time to keep an agent that is gone has not passed; DynamoDB deletes it later than that.
fn is_kept(item: &Item, now: Timestamp) -> bool {
    let until = item
        .get(TTL)
        .and_then(|until| until.as_n().ok()?.parse::<i64>().ok());
    until.is_none_or(|until| now.as_millis() / 1000 < until)
}

fn entry(item: &Item) -> Option<AgentEntry> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let directive: Directive = text("directive")?.parse().ok()?;
    let degraded = item
        .get("degraded")
        .and_then(|value| value.as_bool().ok())
        .copied();
    Some(AgentEntry {
        agent_id: id_of(text("lsk")?)?,
        pool_name: PoolName::parse(text("pool")?).ok()?,
        max_concurrent_jobs: item.get("max_jobs")?.as_n().ok()?.parse().ok()?,
        standing: match directive {
            Directive::Drain => AgentStatus::Draining,
            Directive::Pause => AgentStatus::Paused,
            Directive::Run if degraded == Some(true) => AgentStatus::Degraded,
            Directive::Run => AgentStatus::Healthy,
        },
    })
}

/// The agent at the end of a sort key.
fn id_of(sort: &str) -> Option<AgentId> {
    AgentId::parse(sort.rsplit('#').next()?).ok()
}
